"""The data directory of an embedded stack: what lies where, and the secrets that are made once.

postgres/  caldav/  imap/  salesforce/   the servers' data
logs/                       one file for each process
run/                        what belongs to the running stack: configuration, pid, lock, record
secret-keys  manager-password  postgres-password     mode 0600
ports.json                  where the servers listened last
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.keys import write_key_file
from retinue.errors import ConfigurationError

#: sun_path holds 108 bytes on Linux and 104 on macOS; supervisord first binds a longer name, with its pid added.
MAX_SOCKET_PATH_BYTES = 90


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one data directory."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def caldav(self) -> Path:
        return self.root / "caldav"

    @property
    def imap(self) -> Path:
        return self.root / "imap"

    @property
    def salesforce(self) -> Path:
        return self.root / "salesforce"

    @property
    def secret_keys(self) -> Path:
        return self.root / "secret-keys"

    @property
    def manager_password(self) -> Path:
        return self.root / "manager-password"

    @property
    def postgres_password(self) -> Path:
        return self.root / "postgres-password"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def configuration(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def pidfile(self) -> Path:
        return self.run / "supervisord.pid"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def record(self) -> Path:
        return self.run / "stack.json"

    @property
    def socket(self) -> Path:
        """supervisord's socket: in `run/`, or in the system's temporary directory where that path would be too long."""
        place = self.run / "supervisor.sock"
        if len(os.fsencode(place)) <= MAX_SOCKET_PATH_BYTES:
            return place
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"retinue-{os.getuid()}-{digest}", "supervisor.sock")

    @property
    def exists(self) -> bool:
        """Whether a stack was ever started here."""
        return self.ports.exists()


def prepare(layout: Layout) -> None:
    """Make the directories and the secrets that are missing.

    Raises:
        ConfigurationError: the directory cannot be written to.
    """
    with using(layout.root):
        # Below root's directory an unprivileged PostgreSQL needs to reach its own.
        layout.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        for directory in (layout.logs, layout.run, layout.caldav, layout.imap, layout.salesforce):
            directory.mkdir(mode=0o700, exist_ok=True)
        for path in (layout.manager_password, layout.postgres_password):
            _write_once(path, secrets.token_urlsafe(15))
        _require_space(layout.root)
    if not layout.secret_keys.exists():
        write_key_file(layout.secret_keys)


@contextmanager
def using(root: Path) -> Iterator[None]:
    """Turn the system's refusal of a file below `root` into an error for people.

    Raises:
        ConfigurationError: names the file, what the system said and what helps.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {root} cannot be used: {error.strerror} ({error.filename}). {_advice(error)}"
        ) from error


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space, or set RETINUE_DATA_DIR to a directory on another disk."
    return "Set RETINUE_DATA_DIR to a directory that you may write to."


#: An empty PostgreSQL cluster takes about 45 MiB.
_LEAST_FREE_BYTES = 100 * 1024 * 1024


def _require_space(root: Path) -> None:
    if shutil.disk_usage(root).free < _LEAST_FREE_BYTES:
        raise OSError(errno.ENOSPC, "Less than 100 MiB are free", str(root))


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        with open(draft, "x", opener=_private) as file:
            file.write(f"{text}\n")
        draft.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def prepare_socket(layout: Layout) -> None:
    """Make the directory of the socket, if it is not that of the data.

    Raises:
        ConfigurationError: another user could tamper with the socket.
    """
    directory = layout.socket.parent
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.stat(follow_symlinks=False)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{directory} is not this user's alone: remove it, or set a shorter RETINUE_DATA_DIR")


def keep_previous_logs(layout: Layout) -> None:
    """Move the logs of the last run to `*.log.previous`, so that those of this run begin anew."""
    for rotated in layout.logs.glob("*.log.[0-9]"):
        rotated.unlink()
    for log in layout.logs.glob("*.log"):
        log.replace(log.with_name(f"{log.name}.previous"))
