"""A real IMAP server for tests: Debian's Dovecot in processes of its own, with nothing outside a directory of its own.

Root has Debian's package installed where it is missing and starts the server as an unprivileged user.
"""

from __future__ import annotations

import grp
import imaplib
import itertools
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import certificates
from tests.support.debian import program
from tests.support.radicale_server import free_port, wait_for_port
from tests.support.token_server import TokenServer, token_server

HOST = "127.0.0.1"
STOP_SECONDS = 10

_USER = "nobody"

#: What the server says it can do; each a server that a customer may have. It can do all of it whatever it says.
QRESYNC = None
CONDSTORE = (
    "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED ESEARCH CONDSTORE"
)
PLAIN = "IMAP4rev1 IDLE UIDPLUS"

_CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = {host}
shutdown_clients = yes
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
mail_location = {format}:{home}/mail/%u
mail_fsync = never
mail_max_userip_connections = 2000
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
{capability}

namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Archive {{
    special_use = \\Archive
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
  mailbox Spam {{
    special_use = \\Junk
  }}
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password=secret-of-%u
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
userdb {{
  driver = static
  args = allow_all_users=yes
}}
service anvil {{
  chroot =
  client_limit = 4000
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  client_limit = 4000
}}
service imap-login {{
  chroot =
  service_count = 0
  client_limit = 2000
  process_limit = 2
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  service_count = 100
  process_limit = 2000
}}
service stats {{
  chroot =
  client_limit = 4000
}}
{settings}
"""

_OAUTH = """
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


@dataclass(frozen=True)
class MailUser:
    """A sign-in."""

    name: str
    password: str = field(repr=False)


class MailServer:
    """The server. `port` is for plain connections and STARTTLS, `tls_port` for TLS from the first byte.

    `ca_file` vouches for its certificate, which is for 127.0.0.1 and localhost. Every test takes a user of its own.
    """

    host = HOST

    def __init__(self, home: Path, certificate: certificates.Certificate, oauth: TokenServer) -> None:
        self.home = home
        self.port = free_port()
        self.tls_port = free_port()
        self.ca_file = certificate.ca_file
        self.oauth = oauth
        self.process: subprocess.Popen[bytes] | None = None
        self._unused = itertools.count()

    def user(self, name: str | None = None) -> MailUser:
        """The user of this name; without a name one that nobody has used yet.

        The server takes every name and makes the mailboxes of a new one when it first signs in.
        """
        name = name or f"tester{next(self._unused)}"
        return MailUser(name, f"secret-of-{name}")

    def token(self, user: MailUser) -> str:
        """An access token for XOAUTH2; `oauth.revoke(user.name)` ends it."""
        return self.oauth.access_token(user.name)

    @contextmanager
    def client(self, user: MailUser) -> Iterator[imaplib.IMAP4]:
        """The standard library's client, signed in."""
        with imaplib.IMAP4(self.host, self.port, timeout=30) as client:
            client.login(user.name, user.password)
            yield client

    @contextmanager
    def tls_client(self, user: MailUser) -> Iterator[imaplib.IMAP4_SSL]:
        """The same over TLS."""
        context = ssl.create_default_context(cafile=self.ca_file)
        with imaplib.IMAP4_SSL(self.host, self.tls_port, ssl_context=context, timeout=30) as client:
            client.login(user.name, user.password)
            yield client

    def change_uid_validity(self, user: MailUser, mailbox: str, value: int) -> None:
        """Give a mailbox another UIDVALIDITY, as a restored backup or a repaired index does. Its UIDs stay.

        Whoever has it open gets a BYE.
        """
        update = ["mailbox", "update", "-u", user.name, "--uid-validity", str(value), mailbox]
        self.administer(*update)

    def administer(self, *arguments: str) -> str:
        """Run Dovecot's `doveadm`; what it prints."""
        command = [str(program("/usr/bin/doveadm", package="dovecot-imapd")), "-c", str(self._configuration)]
        done = subprocess.run(  # noqa: S603 - Debian's own program
            [*command, *arguments], check=True, capture_output=True, text=True, timeout=30, **_unprivileged()
        )
        return done.stdout

    def preauth_command(self, user: MailUser) -> Sequence[str]:
        """A command that speaks IMAP on its standard input and output and greets with PREAUTH."""
        return ["/usr/bin/env", f"USER={user.name}", "/usr/lib/dovecot/imap", "-c", str(self._configuration)]

    def log(self) -> str:
        """What the server has logged so far."""
        path = self.home / "dovecot.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [str(program("/usr/sbin/dovecot", package="dovecot-imapd")), "-F", "-c", str(self._configuration)]
        self.process = subprocess.Popen(  # noqa: S603 - Debian's own program
            command, start_new_session=True, **_unprivileged()
        )
        try:
            wait_for_port(self.port, self.process)
        except AssertionError as error:
            error.add_note(self.log())
            raise

    def stop(self) -> None:
        """End it with everybody's connections, in a second or a few; the mail stays."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End every process of it at once."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP_SECONDS)

    def restart(self) -> None:
        """Stop and start on the same ports and mail."""
        self.stop()
        self.start()

    @property
    def _configuration(self) -> Path:
        return self.home / "dovecot.conf"


@contextmanager
def run_dovecot(
    *,
    capability: str | None = QRESYNC,
    certificate: certificates.Kind = "valid",
    format: str = "sdbox",  # noqa: A002 - Dovecot's own word for it
    settings: str = "",
) -> Iterator[MailServer]:
    """A running server that announces `capability` once somebody has signed in: all it has where that is None.

    `format` is how it keeps mail (`sdbox`, `maildir`), `settings` is more of its configuration.
    """
    program("/usr/sbin/dovecot", package="dovecot-imapd")
    with _home() as home, token_server() as oauth:
        issued = certificates.issue(home, certificate)
        server = MailServer(home, issued, oauth)
        values = {"format": format, "settings": settings, "port": server.port, "tls_port": server.tls_port}
        values["capability"] = "" if capability is None else f"imap_capability = {capability}"
        _write_configuration(home, {**values, "chain": issued.chain, "key": issued.key})
        (home / "oauth2.conf").write_text(_OAUTH.format(url=oauth.introspection_url))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _write_configuration(home: Path, values: Mapping[str, object]) -> None:
    user = pwd.getpwnam(_USER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    group = grp.getgrgid(user.pw_gid).gr_name
    text = _CONFIGURATION.format(home=home, host=HOST, user=user.pw_name, group=group, **values)
    (home / "dovecot.conf").write_text(text)


@contextmanager
def _home() -> Iterator[Path]:
    """A directory that the server may write to, in memory where the machine has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory in it is made safely
    parent = memory if os.access(memory, os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix="retinue-dovecot-", dir=parent))
    try:
        for name in ("run", "state", "mail"):
            (home / name).mkdir()
        if os.getuid() == 0:
            user = pwd.getpwnam(_USER)
            for path in (home, *home.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)  # a process on its way out may still write there


def _unprivileged() -> dict[str, Any]:
    """What makes a child process run as nobody where this one is root's."""
    return {"user": _USER, "group": pwd.getpwnam(_USER).pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
