"""Who looks at an account: one of its members, or an operator who has assumed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import g, request, session
from werkzeug.exceptions import Forbidden

from infra.permissions import Permission, operator_may, principal_may
from infra.postgres.audit import ActorKind
from infra.postgres.principals import find_principal
from infra.principal import Principal
from infra.roles import Role
from manager.deps import Deps
from manager.identity import SAFE_METHODS, Identity
from manager.roles import User, required_permission

_KEPT = "account"


class Principals:
    """Finds out who looks, by the database, with each request."""

    def __init__(self, deps: Deps, identity: Identity) -> None:
        self._database = deps.database
        self._identity = identity

    def of_session(self) -> Principal | None:
        """The principal of the secret that the browser has; a visit is over as soon as its operator's session is."""
        secret = account_secret()
        if secret is None:
            return None
        with self._database.transaction() as connection:
            found = find_principal(connection, secret)
        return found if found is None or self._still_may(found) else None

    def _still_may(self, principal: Principal) -> bool:
        if not principal.is_assumed:
            return True
        user = self._identity.of_session()
        if user is None or user.id != principal.id:
            return False
        g.visitor_role = user.role
        return operator_may(user.role, Permission.ACCOUNT_ASSUME)


def admit_principal(principal: Principal, view: Callable[..., Any]) -> None:
    """Let the principal through to the view, and be the one that `current_principal` tells.

    Raises:
        Forbidden: it may not, or it is to change something in an account that it has assumed.
    """
    g.principal = principal
    permission = required_permission(view)
    if principal.is_assumed and request.method not in SAFE_METHODS:
        raise Forbidden("You look at this account as an operator: nothing can be changed here. Leave it first.")
    if permission is None or not principal_may(principal, permission):
        raise Forbidden(
            "An operator who has assumed an account does not see this."
            if principal.is_assumed
            else "This is for the admins of your account."
        )


def current_principal() -> Principal:
    """Who looks.

    Raises:
        LookupError: nobody has signed in.
    """
    principal = present_principal()
    if principal is None:
        raise LookupError("Nobody has signed in.")
    return principal


def present_principal() -> Principal | None:
    """Who looks, if that is known: for templates."""
    principal: Principal | None = g.get("principal")
    return principal


def may(permission: Permission | str) -> bool:
    """Whether who looks has this permission; templates hide what would be refused."""
    principal = present_principal()
    return principal is not None and principal_may(principal, Permission(permission))


def may_unmask() -> bool:
    """Whether who looks is an operator who may ask for one masked value."""
    principal = present_principal()
    return principal is not None and principal.is_assumed and operator_may(g.visitor_role, Permission.ACCOUNT_UNMASK)


def user_of(principal: Principal) -> User:
    """The principal as one who acts, for the audit."""
    if principal.is_assumed:
        return User(principal.id, principal.name, Role.VIEWER, ActorKind.PERSON, principal.account_id)
    return member_as_user(principal.id, principal.account_id)


def member_as_user(member_id: int, account_id: int) -> User:
    """A member as one who acts: a number, for the audit's rows stay when the account is erased."""
    return User(member_id, f"member {member_id}", Role.VIEWER, ActorKind.MEMBER, account_id)


def account_secret() -> str | None:
    """What the browser's cookie holds, if somebody has signed in to an account or assumed one."""
    return session.get(_KEPT)


def keep_account_secret(secret: str | None) -> None:
    """Have the browser's cookie hold this secret, or none."""
    if secret is None:
        session.pop(_KEPT, None)
    else:
        session[_KEPT] = secret
        session.permanent = True
