"""A real IMAP server for tests: Debian's Dovecot in processes of its own, with nothing outside a directory of its own.

Root has Debian's package installed where it is missing and starts the server as an unprivileged user.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.debian import program
from tests.support.dovecot_configuration import CONFIGURATION, OAUTH
from tests.support.mail_server import HOST, LocalMailServer, MailUser, private_home, rights_of
from tests.support.token_server import TokenServer, token_server

__all__ = [
    "CONDSTORE",
    "HOST",
    "PLAIN",
    "QRESYNC",
    "MailServer",
    "MailUser",
    "dovecot",
    "dovecot_of_each_kind",
    "run_dovecot",
]

PACKAGE = "dovecot-imapd"

_USER = "nobody"

#: What the server says it can do; each a server that a customer may have. It can do all of it whatever it says.
QRESYNC = None
CONDSTORE = (
    "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED ESEARCH CONDSTORE"
)
PLAIN = "IMAP4rev1 IDLE UIDPLUS"


class MailServer(LocalMailServer):
    """Dovecot. Every name is a user, whose mailboxes are made when somebody first signs in."""

    def __init__(self, home: Path, certificate: certificates.Certificate, oauth: TokenServer) -> None:
        super().__init__(home, certificate.ca_file, run_as=_USER)
        self.oauth = oauth
        self._configuration = home / "dovecot.conf"

    @property
    def command(self) -> Sequence[str]:
        return [str(program("/usr/sbin/dovecot", package=PACKAGE)), "-F", "-c", str(self._configuration)]

    def token(self, user: MailUser) -> str:
        """An access token for XOAUTH2; `oauth.revoke(user.name)` ends it."""
        return self.oauth.access_token(user.name)

    def change_uid_validity(self, user: MailUser, mailbox: str, value: int) -> None:
        """Give a mailbox another UIDVALIDITY, as a restored backup or a repaired index does. Its UIDs stay.

        Whoever has it open gets a BYE.
        """
        self.administer("mailbox", "update", "-u", user.name, "--uid-validity", str(value), mailbox)

    def uid_validity_of(self, user: MailUser) -> Callable[[str, int], None]:
        return partial(self.change_uid_validity, user)

    def administer(self, *arguments: str) -> str:
        """Run Dovecot's `doveadm`; what it prints."""
        command = [str(program("/usr/bin/doveadm", package=PACKAGE)), "-c", str(self._configuration)]
        done = subprocess.run(  # noqa: S603 - Debian's own program
            [*command, *arguments], check=True, stdout=subprocess.PIPE, timeout=30, **rights_of(_USER)
        )
        return bytes(done.stdout).decode()

    def preauth_command(self, user: MailUser) -> Sequence[str]:
        """A command that speaks IMAP on its standard input and output and greets with PREAUTH."""
        return ["/usr/bin/env", f"USER={user.name}", "/usr/lib/dovecot/imap", "-c", str(self._configuration)]


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
    # The server itself is of another package, which stays where this one has to go.
    program("/usr/lib/dovecot/imap", package=PACKAGE)
    with private_home("dovecot", ("run", "state", "mail"), owner=_USER) as home, token_server() as oauth:
        issued = certificates.issue(home, certificate)
        server = MailServer(home, issued, oauth)
        values = {"format": format, "settings": settings, "port": server.port, "tls_port": server.tls_port}
        values["capability"] = "" if capability is None else f"imap_capability = {capability}"
        _write_configuration(home, {**values, "chain": issued.chain, "key": issued.key})
        (home / "oauth2.conf").write_text(OAUTH.format(url=oauth.introspection_url))
        with server.running():
            yield server


@pytest.fixture(scope="module")
def dovecot() -> Iterator[MailServer]:
    """A server for all tests of a file."""
    with run_dovecot() as server:
        yield server


@pytest.fixture(
    name="dovecot", scope="module", params=[QRESYNC, CONDSTORE, PLAIN], ids=["qresync", "condstore", "plain"]
)
def dovecot_of_each_kind(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    """One after the other, a server of each kind for all tests of a file."""
    with run_dovecot(capability=request.param) as server:
        yield server


def _write_configuration(home: Path, values: Mapping[str, object]) -> None:
    user = pwd.getpwnam(_USER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    group = grp.getgrgid(user.pw_gid).gr_name
    text = CONFIGURATION.format(home=home, host=HOST, user=user.pw_name, group=group, **values)
    (home / "dovecot.conf").write_text(text)
