"""Passwords of people, kept as Argon2id hashes. Only the manager and the command line import this."""

from __future__ import annotations

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from retinue.errors import RetinueError

MIN_LENGTH = 12
#: Far more than anybody types; whoever sends more wants us to hash it. In characters.
MAX_LENGTH = 1024

# 19 MiB, two passes, one lane: OWASP Password Storage Cheat Sheet, "Argon2id".
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

#: However many guess at once, so many hashes are worked on.
_AT_ONCE = threading.BoundedSemaphore(2)

# Of random bytes that nobody kept: verified where there is no other, so that no answer tells whether a name is known.
_DECOY = "$argon2id$v=19$m=19456,t=2,p=1$ZzQD33PJD8pdAUWsRFpoUQ$EUw+xZjslwlFIspztxYIZNjrjbMX7gewVzGRTvvvFbE"


class WeakPassword(RetinueError):
    """A password has 12 to 1024 characters and is not the name of whom it is for."""


def hash_password(password: str, *, name: str) -> str:
    """The hash to keep of a new password of the person named `name`.

    Raises:
        WeakPassword: it is too short, too long, or the name itself.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH or password.lower() == name.lower():
        raise WeakPassword
    return hash_again(password)


def hash_again(password: str) -> str:
    """The hash to keep of a password that was good enough once."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def verify_password(kept: str | None, password: str) -> bool:
    """Whether `password` is the one that `kept` is the hash of; takes as long where there is none."""
    with _AT_ONCE:
        try:
            _HASHER.verify(kept or _DECOY, password[: MAX_LENGTH + 1])
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made by parameters that are no longer ours."""
    return _HASHER.check_needs_rehash(kept)


def new_password() -> str:
    """A random password to hand to somebody: 20 characters, about 119 bits."""
    return secrets.token_urlsafe(15)
