"""Who asks, for which account, and in which mode: what a database session of an account is bound to.

A principal is made from what the database knows of a secret (`infra.postgres.principals`), and nowhere else: whoever
has none gets no session. The engine's own processes need none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: A visit lasts no longer than this, in minutes; the database refuses longer ones.
VISIT_MINUTES = 30


class Mode(StrEnum):
    """How somebody looks at an account."""

    #: As somebody of the account itself.
    SELF = "self"
    #: As an operator who has assumed it: read-only and masked.
    ASSUMED = "assumed"


class MemberRole(StrEnum):
    """What somebody of an account may do there."""

    #: Looks at everything that the account has.
    MEMBER = "member"
    #: Connects and disconnects, invites, and says whether support may assume the account, too.
    ADMIN = "admin"

    def covers(self, other: MemberRole) -> bool:
        """Whether whoever has this role may do what `other` is asked for."""
        return self is MemberRole.ADMIN or other is MemberRole.MEMBER


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with the right to look at one account until `expires_at`.

    `id` and `name` are the member's, or the operator's in the assumed mode; there `visit_id` is the visit, and `role`
    that of somebody who can change nothing. The secret opens the session in the database, and is never shown.
    """

    mode: Mode
    account_id: int
    account_name: str
    id: int
    name: str
    role: MemberRole
    expires_at: datetime
    secret: str = field(repr=False)
    visit_id: int | None = None

    @property
    def is_assumed(self) -> bool:
        return self.mode is Mode.ASSUMED
