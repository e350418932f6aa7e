"""Who may do what: every view names a permission where it is declared, and one that does not is closed.

@blueprint.post("/jobs/<int:job_id>/retry")
@requires(Role.OPERATOR)
def retry(job_id: int) -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, g, request
from werkzeug.exceptions import Forbidden

from infra.permissions import HOLDERS, OF_ROLE, Permission
from infra.postgres.audit import ActorKind
from infra.roles import Role

__all__ = [
    "Permission",
    "Role",
    "User",
    "admit",
    "current_user",
    "is_for_members",
    "is_public",
    "public",
    "required_permission",
    "required_role",
    "requires",
]

View = TypeVar("View", bound=Callable[..., Any])

_PERMISSION, _PUBLIC, _ONE_ACCOUNT = "required_permission", "is_public", "keeps_to_one_account"


@dataclass(frozen=True, slots=True)
class User:
    """Who is asking: a person or a token. A token may be for one account alone, and belong to a person."""

    id: int | None
    name: str
    role: Role
    kind: ActorKind = ActorKind.PERSON
    account_id: int | None = None
    owner_id: int | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is somebody, and no program."""
        return self.kind is ActorKind.PERSON

    def may(self, role: Role | str) -> bool:
        """Whether this user may do what `role` is asked for; templates hide what would be refused."""
        return self.role.covers(Role(role))


def requires(what: Role | Permission, *, one_account: bool = False) -> Callable[[View], View]:
    """Declare the permission that a view asks for, or a role for what it has. It stands directly under the route.

    With `one_account`, the view shows a token for one account nothing but that account's; others refuse such tokens.
    """

    def declare(view: View) -> View:
        setattr(view, _PERMISSION, OF_ROLE[what] if isinstance(what, Role) else what)
        setattr(view, _ONE_ACCOUNT, one_account)
        return view

    return declare


def public(view: View) -> View:
    """Declare that a view is for everyone, without signing in."""
    setattr(view, _PUBLIC, True)
    return view


def required_permission(view: Callable[..., Any]) -> Permission | None:
    """The permission that a view asks for; None where it declares none."""
    return getattr(view, _PERMISSION, None)


def required_role(view: Callable[..., Any]) -> Role | None:
    """The least role that has the permission; None where it declares none, and where operators have none."""
    permission = required_permission(view)
    return None if permission is None else HOLDERS[permission].role


def is_for_members(view: Callable[..., Any]) -> bool:
    """Whether a view is for the people of an account, or for who has assumed it."""
    permission = required_permission(view)
    return permission is not None and HOLDERS[permission].member is not None


def is_public(view: Callable[..., Any]) -> bool:
    """Whether a view is declared to be for everyone."""
    return getattr(view, _PUBLIC, False)


def current_user() -> User:
    """Who is asking.

    Raises:
        LookupError: nobody has signed in, as on a public page.
    """
    user = present_user()
    if user is None:
        raise LookupError("Nobody has signed in.")
    return user


def present_user() -> User | None:
    """Who is asking, if that is known: for templates, which show errors to strangers too."""
    user: User | None = g.get("user")
    return user


def present_view(app: Flask) -> Callable[..., Any] | None:
    """The view that answers this request; None for an unknown path, and for a method that it does not take."""
    return app.view_functions[request.endpoint] if request.endpoint is not None else None


def admit(user: User, view: Callable[..., Any]) -> None:
    """Let the user through to the view, and be the one that `current_user` tells.

    Raises:
        Forbidden: the user's role is too low, or the view declares none.
    """
    g.user = user
    role = required_role(view)
    if role is None:
        raise Forbidden("Nobody has declared who may see this.")
    if not user.may(role):
        raise Forbidden(f"This needs the role {role}; yours is {user.role}.")
    if user.account_id is not None and not getattr(view, _ONE_ACCOUNT):
        raise Forbidden("This token is for one account alone, and this is about all of them.")
