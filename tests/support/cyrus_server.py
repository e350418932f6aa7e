"""A second real IMAP server for tests: Debian's Cyrus, with nothing outside a directory of its own.

Root has Debian's package installed where it is missing and starts the server as Cyrus' own user.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import certificates
from tests.support.debian import program
from tests.support.mail_server import HOST, LocalMailServer, MailUser, private_home, rights_of

__all__ = ["CyrusServer", "run_cyrus"]

PACKAGE = "cyrus-imapd"
MASTER = "/usr/sbin/cyrmaster"

_USER = "cyrus"
_REALM = "localhost"

#: imapd.conf(5). Mailboxes are made when their user first signs in; nothing waits for a disk.
_SETTINGS = """
configdirectory: {home}/config
partition-default: {home}/spool
defaultpartition: default
servername: {realm}
defaultdomain: {realm}
admins: nobody-at-all
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {home}/sasldb2
sasl_mech_list: PLAIN
sasl_auto_transition: no
autocreate_quota: 0
autocreate_post: no
altnamespace: yes
unixhierarchysep: yes
tls_server_cert: {chain}
tls_server_key: {key}
skiplist_unsafe: yes
failedloginpause: 0
imapidlepoll: 1
"""

#: cyrus.conf(5).
_SERVICES = """
START {{
  recover cmd="ctl_cyrusdb -C {home}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="imapd -C {home}/imapd.conf -U 100" listen="{host}:{port}" prefork=1
  imaps cmd="imapd -C {home}/imapd.conf -s -U 100" listen="{host}:{tls_port}" prefork=0
}}
EVENTS {{
}}
"""


class CyrusServer(LocalMailServer):
    """Cyrus. A user is one once `user` was asked for it."""

    def __init__(self, home: Path, ca_file: Path) -> None:
        super().__init__(home, ca_file, run_as=_USER)
        self._known: set[str] = set()

    @property
    def command(self) -> Sequence[str]:
        master = str(program(MASTER, package=PACKAGE))
        files = ["-C", str(self.home / "imapd.conf"), "-M", str(self.home / "cyrus.conf")]
        return [master, *files, "-p", str(self.home / "run/master.pid"), "-D"]

    def user(self, name: str | None = None) -> MailUser:
        user = super().user(name)
        if user.name not in self._known:
            command = [str(program("/usr/sbin/saslpasswd2", package="sasl2-bin")), "-c", "-p", "-u", _REALM]
            subprocess.run(  # noqa: S603 - Debian's own program
                [*command, "-f", str(self.home / "sasldb2"), user.name],
                input=user.password.encode(),
                check=True,
                timeout=10,
                **rights_of(_USER),
            )
            self._known.add(user.name)
        return user


@contextmanager
def run_cyrus(*, certificate: certificates.Kind = "valid") -> Iterator[CyrusServer]:
    """A running server."""
    # The rest is of other packages, which stay where this one has to go for another mail server.
    program("/usr/lib/cyrus/bin/imapd", package=PACKAGE)
    with private_home("cyrus", ("run", "config", "config/socket", "spool"), owner=_USER) as home:
        issued = certificates.issue(home, certificate)
        server = CyrusServer(home, issued.ca_file)
        values = {"home": home, "host": HOST, "realm": _REALM, "chain": issued.chain, "key": issued.key}
        (home / "imapd.conf").write_text(_SETTINGS.format(**values))
        (home / "cyrus.conf").write_text(_SERVICES.format(**values, port=server.port, tls_port=server.tls_port))
        with server.running():
            yield server
