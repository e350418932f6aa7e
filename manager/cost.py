"""What the queues cost: by type, and by account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for

from infra.postgres.costs import Period, Prices, account_calls, calls_by_step, shared_until, type_calls
from infra.postgres.schedules import database_now
from manager.charts import Chart, Line, chart_json
from manager.charts.chart import Kind, Unit
from manager.deps import Deps
from manager.paging import address
from manager.roles import Role, requires
from retinue.errors import NotFound

#: Accounts on one page.
SHOWN = 50

#: How far the chart of each period goes back, and its steps.
_CHARTS = {
    Period.HOUR: (timedelta(hours=24), timedelta(hours=1)),
    Period.DAY: (timedelta(days=14), timedelta(days=1)),
    Period.MONTH: (timedelta(days=60), timedelta(days=1)),
}

#: Types that have a line of their own; the others are one together.
_LINES = 4


def cost_blueprint(deps: Deps) -> Blueprint:
    """`/cost`."""
    blueprint = Blueprint("cost", __name__, url_prefix="/cost")
    blueprint.add_app_template_filter(dollars)

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> str:
        period = _period(request.args.get("period"))
        return render_template("cost/index.html", **_told(deps, period))

    @blueprint.get("/calls")
    @requires(Role.VIEWER)
    def calls() -> Response:
        return jsonify(chart_json(_chart(deps, _period(request.args.get("period")))))

    return blueprint


def dollars(amount: float) -> str:
    """$12.34; what is less than ten cents with what makes it more than nothing: $0.0012."""
    return f"${amount:,.2f}" if amount >= 0.1 or amount < 0.00005 else f"${amount:.4f}"


def _told(deps: Deps, period: Period) -> dict[str, Any]:
    with deps.database.transaction() as connection:
        now = _moment(request.args.get("at")) or database_now(connection)
        types = type_calls(connection, period, now)
        month = sum(line.calls for line in type_calls(connection, Period.MONTH, now))
        known = shared_until(connection)
        # The hour under way has not been shared out: the last one that has been is shown for it.
        at = min(now, known - timedelta(hours=1)) if period is Period.HOUR and known is not None else now
        accounts = account_calls(connection, period, at, before=_before(), limit=SHOWN + 1)
    last = accounts[SHOWN - 1] if len(accounts) > SHOWN else None
    return {
        "period": period,
        "periods": [(one.value.capitalize(), url_for("cost.index", period=one.value), one is period) for one in Period],
        "begin": period.begin(now),
        "shared": period.begin(at),
        "known": known,
        "types": types,
        "in_all": sum(line.calls for line in types),
        "month": month,
        "accounts": accounts[:SHOWN],
        "older": address(before=repr(last.calls), id=last.account_id or 0) if last else None,
        "prices": Prices.of(deps.settings),
        "transport": deps.settings.transport,
        "chart": _chart(deps, period),
    }


def _chart(deps: Deps, period: Period) -> Chart:
    length, step = _CHARTS[period]
    end = (Period.HOUR if step < timedelta(days=1) else Period.DAY).end(deps.clock.now())
    with deps.database.transaction() as connection:
        rows = calls_by_step(connection, end - length, end, step=step)
    moments = [end - length + n * step for n in range(length // step)]
    return Chart("calls", "Calls to SQS", Unit.NUMBER, moments, _lines(rows, moments), Kind.BARS, step.total_seconds())


def _lines(rows: Sequence[tuple[datetime, str, int]], moments: Sequence[datetime]) -> list[Line]:
    """The types with most calls, and the others together."""
    totals: dict[str, int] = defaultdict(int)
    for _, job_type, calls in rows:
        totals[job_type] += calls
    largest = sorted(totals, key=lambda job_type: -totals[job_type])
    own = largest if len(largest) <= _LINES else largest[: _LINES - 1]
    names = [*own, *(["others"] if len(own) < len(largest) else [])]
    values = {name: dict.fromkeys(moments, 0) for name in names}
    for at, job_type, calls in rows:
        values[job_type if job_type in values else "others"][at.astimezone(UTC)] += calls
    return [Line(name, str(n), list(values[name].values())) for n, name in enumerate(names, start=1)]


def _period(text: str | None) -> Period:
    try:
        return Period(text or Period.DAY)
    except ValueError:
        raise NotFound(f"There is no period {str(text)[:40]!r}. There are: {', '.join(Period)}.") from None


def _moment(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None and 2000 < at.year < 9000 else None


def _before() -> tuple[float, int] | None:
    try:
        calls, account_id = float(request.args.get("before", "")), int(request.args.get("id", ""))
    except ValueError:
        return None
    return (calls, account_id) if abs(account_id) < 2**63 else None
