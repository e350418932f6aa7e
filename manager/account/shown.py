"""Pages of an account. What an assumed session is shown is in the audit before the page leaves.

Each view says which things its page shows. An answer of an assumed session that nobody has declared so is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, g, render_template, request

from infra.postgres import audit
from manager.account.principals import current_principal, present_principal, user_of
from manager.audit import actor
from manager.deps import Deps

#: What of an address says which page it is. Anything else may be about somebody, and the audit's rows stay for good.
_NOTED = ("order", "after", "before")
_MAX_NOTED = 300

#: By their kind: the IDs of what a page shows.
Shown = Mapping[str, Iterable[object]]


def account_page(template: str, *, shown: Shown, **told: Any) -> str:
    """The page, and which things are on it: `shown={"person": [7]}`."""
    g.shown = {kind: [str(one) for one in ids] for kind, ids in shown.items()}
    return render_template(template, principal=current_principal(), **told)


def note_what_is_shown(blueprint: Blueprint, deps: Deps) -> None:
    """Write down each answer of an assumed session, in a transaction of its own that commits before it is sent."""

    @blueprint.after_request
    def note(response: Response) -> Response:
        principal = present_principal()
        if principal is not None and principal.is_assumed:
            _note(deps, response.status_code)
        return response


def _note(deps: Deps, status: int) -> None:
    principal, shown = current_principal(), g.get("shown")
    if shown is None and status == 200 and request.method != "OPTIONS":
        raise RuntimeError(f"{request.endpoint} does not say what it shows.")
    query = {name: request.args[name][:_MAX_NOTED] for name in _NOTED if name in request.args}
    detail = {"visit": principal.visit_id, "status": status, "shown": shown or {}, "query": query}
    act = audit.Act("account.read", "page", request.path[:400], principal.account_id, detail)
    with deps.database.transaction() as connection:
        audit.note(connection, actor(user_of(principal)), act)
