"""The schedulers' passes, those of all schedulers together: any of them may do what is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manager.views import SchedulerView


@dataclass(frozen=True, slots=True)
class PassView:
    """One pass. `failing` is how often it failed in a row where it fails most, with `last_error`."""

    name: str
    runs: int
    errors: int
    done: int
    last_seconds: float | None
    last_success_at: datetime | None
    failing: int
    last_error: str | None


def passes_of(schedulers: Sequence[SchedulerView]) -> list[PassView]:
    """By name."""
    names = sorted({name for scheduler in schedulers for name in scheduler.passes})
    return [_pass(name, [each.passes[name] for each in schedulers if name in each.passes]) for name in names]


def _pass(name: str, parts: Sequence[Mapping[str, Any]]) -> PassView:
    worst = max(parts, key=_failing)
    latest = max(parts, key=lambda part: part.get("last_success_at") or "")
    return PassView(
        name=name,
        runs=_sum(parts, "runs"),
        errors=_sum(parts, "errors"),
        done=_sum(parts, "done"),
        last_seconds=latest.get("last_seconds"),
        last_success_at=_moment(latest.get("last_success_at")),
        failing=_failing(worst),
        last_error=worst.get("last_error"),
    )


def _failing(part: Mapping[str, Any]) -> int:
    return int(part.get("consecutive_errors") or 0)


def _sum(parts: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(part.get(key) or 0 for part in parts)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
