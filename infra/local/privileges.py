"""Leave root behind: PostgreSQL refuses to run with root's rights.

A stack started by root runs its server as an existing unprivileged user. Where that user may not pass through a
directory above the data or the program files (a home of mode 0700, say), the process keeps one capability, to search
and read, so that no directory has to be opened to others.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from retinue.errors import ConfigurationError

#: Users to run as, best first. `nobody` exists nearly everywhere, so no user has to be made.
CANDIDATES = ("retinue", "postgres", "nobody")

# linux/capability.h and linux/prctl.h
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2


def server_user(data: Path) -> pwd.struct_passwd | None:
    """The user to run as: None when this process is not root, else the owner of `data` or the first candidate there is.

    Raises:
        ConfigurationError: root finds no user to run as.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return _owner(data)
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigurationError(
        f"PostgreSQL cannot run as root and none of the users {', '.join(CANDIDATES)} exists: add one"
    )


def _owner(data: Path) -> pwd.struct_passwd:
    uid = data.stat().st_uid
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise ConfigurationError(f"{data} belongs to user id {uid}, which has no name here: chown it") from None


def own_directory(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make `path` with mode 0700, and give it to `user`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is not None and path.stat().st_uid != user.pw_uid:
        os.chown(path, user.pw_uid, user.pw_gid)


def become(user: pwd.struct_passwd, *, reading: Iterable[Path]) -> None:
    """Turn this process into `user` for good, still able to read what lies in the directories `reading`.

    Raises:
        ConfigurationError: a directory is closed to the user and the capability that would help is not to be had.
    """
    closed = [place for path in reading for place in closed_to(user, path)]
    capability = _reading_capability(closed[0], user) if closed else None
    if capability is not None:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if capability is not None:
        _keep_only(capability)


def closed_to(user: pwd.struct_passwd, path: Path) -> list[Path]:
    """Which of `path` and the directories above it the mode bits close to `user`, outermost first."""
    path = path.resolve()
    closed = [parent for parent in reversed(path.parents) if not _permits(user, parent, stat.S_IXOTH)]
    return closed if _permits(user, path, stat.S_IROTH | stat.S_IXOTH) else [*closed, path]


def _permits(user: pwd.struct_passwd, path: Path, wanted: int) -> bool:
    status = path.stat()
    if status.st_uid == user.pw_uid:
        granted = status.st_mode >> 6
    elif status.st_gid == user.pw_gid:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & wanted == wanted


def _reading_capability(closed: Path, user: pwd.struct_passwd) -> int:
    if sys.platform == "linux":
        permitted = _permitted_capabilities()
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if permitted & (1 << capability):
                return capability
    raise ConfigurationError(
        f"PostgreSQL has to run as {user.pw_name}, which may not enter {closed}: keep the data and the installation "
        f"elsewhere (RETINUE_DATA_DIR=/var/lib/retinue, say) or `chmod o+rx {closed}`"
    )


def _permitted_capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapPrm:")), 16)


def _keep_only(capability: int) -> None:
    """Hold `capability` alone, and pass it on through exec (capabilities(7), "Ambient")."""
    mask = 1 << capability
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    # Two sets of (effective, permitted, inheritable): the low 32 capabilities, then the high ones.
    sets = struct.pack("=6I", mask, mask, mask, 0, 0, 0)
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, sets), "capset")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(*arguments: int) -> None:
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[1:5]]
    _checked(ctypes.CDLL(None, use_errno=True).prctl(arguments[0], *padded), "prctl")


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
