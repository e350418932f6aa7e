"""Who was last known by which secret, for while the database is away; in this process alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from infra.postgres.sessions import digest_of
from manager.roles import User
from retinue.clock import Clock

#: Whoever was known less than this ago may read on while the database cannot be asked, in seconds.
REMEMBERED_SECONDS = 600

_MAX_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class _Seen:
    user: User
    at: float


class Remembered:
    """Knows secrets by their digests. Whatever ends a session, a password or a token here is forgotten at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def get(self, secret: str) -> User | None:
        """Who was known by it a short while ago."""
        with self._lock:
            seen = self._seen.get(digest_of(secret))
        recent = seen is not None and self._clock.monotonic() - seen.at < REMEMBERED_SECONDS
        return seen.user if seen is not None and recent else None

    def set(self, secret: str, user: User | None) -> None:
        """Remember whose it is; None forgets it."""
        digest = digest_of(secret)
        with self._lock:
            self._seen.pop(digest, None)
            if user is not None:
                self._seen[digest] = _Seen(user, self._clock.monotonic())
            while len(self._seen) > _MAX_REMEMBERED:
                self._seen.popitem(last=False)

    def forget_person(self, person_id: int) -> None:
        """Forget all by which this person was known, and their tokens."""
        # The settings' user has no ID before it signs in for the first time.
        self._forget(lambda user: user.id in (person_id, None) if user.is_person else user.owner_id == person_id)

    def forget_token(self, token_id: int) -> None:
        """Forget this token."""
        self._forget(lambda user: not user.is_person and user.id == token_id)

    def _forget(self, is_gone: Callable[[User], bool]) -> None:
        with self._lock:
            for digest in [digest for digest, seen in self._seen.items() if is_gone(seen.user)]:
                del self._seen[digest]
