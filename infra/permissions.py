"""The one table of who may do what: views and commands name a permission, and nobody else asks for roles.

| who | has |
|---|---|
| viewers, operators and admins of the installation | what their role covers |
| members and admins of an account | what their role there covers, in that account |
| whoever runs a command | what the role of the person of that name covers; all, where nobody has the name |
| operators who have assumed an account | what may be looked at, and nothing that changes anything |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from infra.principal import MemberRole, Principal
from infra.roles import Role


class Permission(StrEnum):
    """What somebody may do."""

    #: Look at the work of all accounts.
    WORK_LOOK = "work.look"
    #: Act on it.
    WORK_ACT = "work.act"
    #: Say who may do what in the installation.
    PEOPLE_RULE = "people.rule"
    #: Look at an account as its own people do.
    ACCOUNT_ASSUME = "account.assume"
    #: Look at one masked value there.
    ACCOUNT_UNMASK = "account.unmask"
    #: Delete an account and all that it has.
    ACCOUNT_ERASE = "account.erase"
    #: Seal anew, and give up a data key that is lost.
    KEYS_TURN = "keys.turn"
    #: Run Retinue's programs and look after the machine: for whoever holds it.
    MACHINE_RUN = "machine.run"
    #: Look at one's own account.
    OWN_LOOK = "own.look"
    #: Change what belongs to oneself alone, such as a session.
    OWN_SESSION = "own.session"
    #: Connect, invite, and say who may look.
    OWN_RULE = "own.rule"


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has a permission: operators from this role on, members from this one on, visits or not.

    What is for `everyone` on the machine asks for nobody's role: it has to work where no database does.
    """

    role: Role | None = None
    member: MemberRole | None = None
    assumed: bool = False
    everyone: bool = False


HOLDERS: Mapping[Permission, Holders] = {
    Permission.WORK_LOOK: Holders(role=Role.VIEWER),
    Permission.WORK_ACT: Holders(role=Role.OPERATOR),
    Permission.PEOPLE_RULE: Holders(role=Role.ADMIN),
    Permission.ACCOUNT_ASSUME: Holders(role=Role.OPERATOR),
    Permission.ACCOUNT_UNMASK: Holders(role=Role.ADMIN),
    Permission.ACCOUNT_ERASE: Holders(role=Role.ADMIN),
    Permission.KEYS_TURN: Holders(role=Role.ADMIN),
    Permission.MACHINE_RUN: Holders(everyone=True),
    Permission.OWN_LOOK: Holders(member=MemberRole.MEMBER, assumed=True),
    Permission.OWN_SESSION: Holders(member=MemberRole.MEMBER),
    Permission.OWN_RULE: Holders(member=MemberRole.ADMIN),
}

#: What views declared by a role ask for.
OF_ROLE: Mapping[Role, Permission] = {
    Role.VIEWER: Permission.WORK_LOOK,
    Role.OPERATOR: Permission.WORK_ACT,
    Role.ADMIN: Permission.PEOPLE_RULE,
}


def operator_may(role: Role, permission: Permission) -> bool:
    """Whether somebody of the installation with this role has the permission."""
    least = HOLDERS[permission].role
    return least is not None and role.covers(least)


def principal_may(principal: Principal, permission: Permission) -> bool:
    """Whether somebody within an account has the permission there."""
    holders = HOLDERS[permission]
    if principal.is_assumed:
        return holders.assumed
    return holders.member is not None and principal.role.covers(holders.member)
