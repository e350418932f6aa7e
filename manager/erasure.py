"""Erasing an account, as an admin orders it."""

from __future__ import annotations

from werkzeug.exceptions import Forbidden

from infra.postgres.erasure_orders import order_erasure
from infra.roles import Role
from manager.acting import acting
from manager.audit import actor
from manager.deps import Deps
from manager.roles import User


def erase_account(deps: Deps, user: User, account_id: int, *, typed_name: str, reason: str) -> int:
    """Order that the account is erased; returns the ID of the job that does it.

    Only within a request, whose address is noted. `reason` stays in the audit for good, so it names nobody.

    Raises:
        Forbidden: the user is no admin.
        NotFound: there is no such account.
        NameDiffers: `typed_name` is not its name; nothing was erased.
        NotAllowed: its erasure is under way; names the job.
    """
    if not user.may(Role.ADMIN):
        raise Forbidden(f"This needs the role {Role.ADMIN}; yours is {user.role}.")
    with acting(deps) as connection:
        return order_erasure(connection, actor(user), account_id, reason=reason, typed_name=typed_name)
