"""What providers answer about their limits, read from headers, statuses and error bodies. Pure: no I/O, no clock.

Forms read: `Retry-After` (RFC 9110 §10.2.3), `Sforce-Limit-Info` (Salesforce, "API Limit Info Header"),
`X-RateLimit-*` as most providers send it, also by window (`X-RateLimit-Remaining-Minute`), `RateLimit-*`
(draft-ietf-httpapi-ratelimit-headers-06), and `RateLimit` with `RateLimit-Policy` (the same draft, 07 and later).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3600, 86_400

#: How long to stay away from a provider that refuses and names no time, in seconds.
DEFAULT_WAIT_SECONDS = 60

#: The longest wait believed, in seconds; whoever asks for more is asked again then.
MAX_WAIT_SECONDS = 31 * DAY

#: The largest limit or rest believed.
MAX_COUNT = 10**9

_WINDOWS = {"minute": MINUTE, "hour": HOUR, "day": DAY}

#: Numbers at least this large are moments since 1970 and not waits: in seconds, or in milliseconds.
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 10**9, 10**11

_USAGE = re.compile(r"(?:^|[;,\s])(?:per-app-)?api-usage=(\d{1,9})/(\d{1,9})")
_DRAFT_PAIR = re.compile(r"(?:^|[,;\s])(limit|remaining|reset|r|t|q|w)=(\d{1,15})")


class Observation(NamedTuple):
    """What one answer says: `remaining` of `limit` until `reset_at`; `window_seconds` where it tells its window.

    `blocked` says that no call at all is wanted before `reset_at`.
    """

    limit: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None
    window_seconds: int | None = None
    blocked: bool = False


def observe(headers: Mapping[str, str], status: int | None, *, now: datetime) -> list[Observation]:
    """Everything that an answer's headers and status say about limits; `now` is aware. Nonsense is passed over."""
    given = {name.lower(): value for name, value in headers.items()}
    found = [*_salesforce(given), *_by_window(given), *_plain(given, now), *_draft(given, now)]
    if status == 429 or (status == 503 and "retry-after" in given):
        until = retry_after(given.get("retry-after"), now=now) or _latest_reset(found, now)
        found.append(Observation(remaining=0, reset_at=until, blocked=True))
    return found


def retry_after(header: str | None, *, now: datetime) -> datetime | None:
    """The moment a `Retry-After` names, in seconds or as a date, no earlier than `now`; None where it names none."""
    value = (header or "").strip()
    try:
        moment = now + timedelta(seconds=_wait(value)) if value.isdecimal() else parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return _believed(moment if moment.tzinfo else moment.replace(tzinfo=UTC), now)


def salesforce_refusal(body: str, *, now: datetime) -> Observation | None:
    """What a Salesforce error body says if it is REQUEST_LIMIT_EXCEEDED: the code is one, only the text tells which.

    The day's total names no reset; a concurrency refusal passes within seconds.
    """
    if "REQUEST_LIMIT_EXCEEDED" not in body:
        return None
    if "TotalRequests" in body:
        return Observation(remaining=0, window_seconds=DAY)
    return Observation(remaining=0, reset_at=now + timedelta(seconds=20), blocked=True)


def _salesforce(headers: Mapping[str, str]) -> Iterator[Observation]:
    """`api-usage=18/5000; per-app-api-usage=17/250(appName=sample)`: the tighter one counts."""
    pairs = [(int(used), int(limit)) for used, limit in _USAGE.findall(headers.get("sforce-limit-info", ""))]
    if pairs:
        used, limit = min(pairs, key=lambda pair: pair[1] - pair[0])
        yield Observation(limit, max(0, limit - used), None, DAY)


def _by_window(headers: Mapping[str, str]) -> Iterator[Observation]:
    for word, seconds in _WINDOWS.items():
        limit = _count(headers.get(f"x-ratelimit-limit-{word}"))
        remaining = _count(headers.get(f"x-ratelimit-remaining-{word}"))
        if limit is not None or remaining is not None:
            yield Observation(limit, remaining, None, seconds)


def _plain(headers: Mapping[str, str], now: datetime) -> Iterator[Observation]:
    for prefix in ("x-ratelimit", "x-rate-limit", "ratelimit"):
        limit = _count(headers.get(f"{prefix}-limit"))
        remaining = _count(headers.get(f"{prefix}-remaining"))
        if limit is None and remaining is None:
            continue
        window = re.search(r";\s*w=(\d{1,9})", headers.get(f"{prefix}-limit", ""))
        reset = _reset(headers.get(f"{prefix}-reset"), now)
        yield Observation(limit, remaining, reset, int(window[1]) if window else None)


def _draft(headers: Mapping[str, str], now: datetime) -> Iterator[Observation]:
    told = dict(_DRAFT_PAIR.findall(headers.get("ratelimit", "")))
    if not told:
        return
    policy = dict(_DRAFT_PAIR.findall(headers.get("ratelimit-policy", "")))
    window = _count(policy.get("w"))
    yield Observation(
        limit=_count(told.get("limit") or policy.get("q")),
        remaining=_count(told.get("remaining") or told.get("r")),
        reset_at=_reset(told.get("reset") or told.get("t"), now),
        window_seconds=window or None,
    )


def _count(text: str | None) -> int | None:
    """The number that the header begins with; `100, 100;w=60` is 100."""
    found = re.match(r"\s*(\d{1,9})(?!\d)", text or "")
    return int(found[1]) if found else None


def _reset(text: str | None, now: datetime) -> datetime | None:
    found = re.fullmatch(r"\s*(\d{1,15})(?:\.\d*)?\s*", text or "")
    if not found:
        return None
    number = int(found[1])
    if number < _EPOCH_SECONDS:
        return now + timedelta(seconds=min(number, MAX_WAIT_SECONDS))
    seconds = number / 1000 if number >= _EPOCH_MILLISECONDS else number
    return _believed(datetime.fromtimestamp(min(seconds, 2**36), UTC), now)


def _latest_reset(found: list[Observation], now: datetime) -> datetime:
    """When the windows that are used up begin anew; a wait of its own where none says so."""
    resets = [seen.reset_at for seen in found if seen.reset_at is not None and seen.remaining == 0]
    return max(resets, default=now + timedelta(seconds=DEFAULT_WAIT_SECONDS))


def _wait(digits: str) -> int:
    return MAX_WAIT_SECONDS if len(digits) > 9 else min(int(digits), MAX_WAIT_SECONDS)


def _believed(moment: datetime, now: datetime) -> datetime:
    return min(max(moment, now), now + timedelta(seconds=MAX_WAIT_SECONDS))
