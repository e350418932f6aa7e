"""What operators did, for whoever wants to know."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, render_template, request
from werkzeug.exceptions import BadRequest

from infra.postgres.audit import ActionFilter, list_actions
from infra.roles import Role
from manager.deps import Deps
from manager.paging import address, before_of_address
from manager.roles import requires

#: Actions on one page.
SHOWN = 50

#: What the address may ask for.
FILTERS = ("actor", "action", "target", "account", "since", "until")


def audit_blueprint(deps: Deps) -> Blueprint:
    """One list, filtered by its address."""
    blueprint = Blueprint("audit", __name__, url_prefix="/audit")

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        given = {name: text for name in FILTERS if (text := request.args.get(name, "").strip())}
        wanted, before = _filter(given), before_of_address()
        with deps.database.transaction() as connection:
            page = list_actions(connection, wanted, before=before, limit=SHOWN)
        chips = [(f"{name}: {text}", address(**{name: None, "before": None})) for name, text in given.items()]
        older = address(before=page.older) if page.older else None
        return render_template(
            "audit/index.html", actions=page.actions, given=given, chips=chips, older=older, is_first=before is None
        )

    return blueprint


def _filter(given: dict[str, str]) -> ActionFilter:
    kind, _, target_id = given.get("target", "").partition(":")
    until = _day(given, "until")
    return ActionFilter(
        actor=given.get("actor"),
        action=given.get("action"),
        target_kind=kind or None,
        target_id=target_id or None,
        account_id=_account(given),
        since=_day(given, "since"),
        until=until and until + timedelta(days=1),
    )


def _account(given: dict[str, str]) -> int | None:
    text = given.get("account")
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadRequest("An account is given by its ID, a number.")
    return int(text)


def _day(given: dict[str, str], name: str) -> datetime | None:
    """The day's beginning in UTC."""
    try:
        day = date.fromisoformat(given[name]) if name in given else None
        if day is not None and not 1970 <= day.year < 9000:
            raise ValueError("no year of ours")
    except ValueError:
        raise BadRequest(f"{name} is a day, such as 2026-11-21.") from None
    return None if day is None else datetime.combine(day, time(), UTC)
