"""A blocking connection to a mail server: time limits, cancellation, TLS."""

from __future__ import annotations

import socket
from collections.abc import Callable

from retinue.clock import Clock
from servants.email.imap.faults import ConnectionLost, NoAnswer, network_trouble
from servants.email.imap.limits import Limits
from servants.email.sign_in import SignIn, Tls, trusting
from servants.reach import connect

#: How often a wait looks whether the job should stop, in seconds.
_LOOK_SECONDS = 0.5

#: One read; a TLS record holds 16 kB.
_READ_BYTES = 64 * 1024

#: How long to wait for the farewell, which changes nothing any more.
FAREWELL_SECONDS = 5.0


class Wire:
    """A connected socket."""

    def __init__(self, sign_in: SignIn, *, limits: Limits, clock: Clock, stop_if_cancelled: Callable[[], None]) -> None:
        """Connect, with TLS where it begins at once.

        Raises:
            SettingsRefused: the server is beyond the connection's reach.
            Trouble: there is no connection to be had.
        """
        self._sign_in, self._limits, self._clock = sign_in, limits, clock
        self._stop_if_cancelled = stop_if_cancelled
        try:
            self._socket = connect(sign_in.host, sign_in.port, reach=sign_in.reach, seconds=limits.connect_seconds)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label of the name that IDNA forbids
            raise network_trouble(error, sign_in) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(_LOOK_SECONDS)
        if sign_in.tls is Tls.TLS:
            self.secure()

    def secure(self) -> None:
        """Begin TLS.

        Raises:
            TlsFailed: it cannot be had.
        """
        self._socket.settimeout(self._limits.connect_seconds)
        try:
            context = self._sign_in.trust or trusting()
            self._socket = context.wrap_socket(self._socket, server_hostname=self._sign_in.host)
        except (OSError, ValueError) as error:
            self.close()
            raise network_trouble(error, self._sign_in) from error
        self._socket.settimeout(_LOOK_SECONDS)

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            Trouble: the connection broke.
        """
        try:
            self._socket.settimeout(self._limits.read_seconds)
            self._socket.sendall(data)
            self._socket.settimeout(_LOOK_SECONDS)
        except OSError as error:
            raise network_trouble(error, self._sign_in) from error

    def receive(self, deadline: float) -> bytes:
        """What arrives next; `deadline` is by the clock's monotonic time.

        Raises:
            ConnectionLost: the connection broke, or the server closed it.
            NoAnswer: the server was silent for too long, or the deadline passed.
        """
        latest = min(deadline, self._clock.monotonic() + self._limits.read_seconds)
        while True:
            self._stop_if_cancelled()
            if self._clock.monotonic() > latest:
                raise NoAnswer
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                continue
            except OSError as error:
                raise network_trouble(error, self._sign_in) from error
            if not data:
                raise ConnectionLost("the server closed the connection")
            return data

    @property
    def is_open(self) -> bool:
        """Whether it was not closed."""
        return self._socket.fileno() >= 0

    def hurry(self) -> None:
        """Wait no longer for anything than a farewell is worth."""
        self._limits = Limits(read_seconds=FAREWELL_SECONDS)
        self._stop_if_cancelled = lambda: None

    def close(self) -> None:
        """Close the connection; may be called again."""
        self._socket.close()
