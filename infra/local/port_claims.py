"""Ports that a start is about to use: until its servers listen, no other start of this user chooses them.

A claim is a lock on a file named after the port; the kernel lets it go when the claimant ends, however that happens.
The files stay: one that were removed could be locked by two, each with a file of its own.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from retinue.errors import ConfigurationError


class PortClaims:
    """The claims of one start; `port_claims` makes and ends them."""

    def __init__(self, directory: int, resources: ExitStack) -> None:
        self._directory = directory
        self._resources = resources

    def take(self, port: int) -> bool:
        """Claim the port; False while another start has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(str(port), flags, 0o600, dir_fd=self._directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._resources.callback(os.close, descriptor)
        return True


def claims_path() -> Path:
    """Where this user's claims are: one place for every data directory."""
    return Path(tempfile.gettempdir(), f"retinue-{os.getuid()}-ports")


@contextmanager
def port_claims() -> Iterator[PortClaims]:
    """Claims that hold until the block ends.

    Raises:
        ConfigurationError: the directory of the claims is missing and cannot be made, or is not this user's alone.
    """
    path = claims_path()
    with ExitStack() as resources:
        directory = _open_private(path)
        resources.callback(os.close, directory)
        yield PortClaims(directory, resources)


def _open_private(path: Path) -> int:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(f"Ports cannot be claimed in {path}: {error.strerror}. Remove it") from error
    status = os.fstat(directory)
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(directory)
        raise ConfigurationError(f"{path} is not this user's alone: remove it")
    return directory
