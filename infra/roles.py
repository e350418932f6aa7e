"""What people and tokens may do in the manager."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Each may do all that those before it may."""

    #: Looks at everything, and changes nothing.
    VIEWER = "viewer"
    #: Acts on work: jobs, schedules, lanes, servants, connections, incidents.
    OPERATOR = "operator"
    #: Says who may do what, too.
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether whoever has this role may do what `other` is asked for."""
        return _RANK[self] >= _RANK[other]

    def at_most(self, other: Role | None) -> Role:
        """The lower of the two; None is no bound."""
        return self if other is None or other.covers(self) else other


_RANK = {role: rank for rank, role in enumerate(Role)}
