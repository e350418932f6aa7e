"""What providers answer about their limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinue.limits import DAY, MAX_WAIT_SECONDS, Observation, observe, retry_after, salesforce_refusal

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("120", later(120)),
        (" 0 ", NOW),
        ("Sat, 21 Nov 2026 12:01:00 GMT", later(60)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", NOW),
        ("99999999999999999999", later(MAX_WAIT_SECONDS)),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(header: str | None, moment: datetime | None) -> None:
    assert retry_after(header, now=NOW) == moment


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({"Sforce-Limit-Info": "api-usage=18/5000"}, Observation(5000, 4982, None, DAY)),
        (
            {"sforce-limit-info": "api-usage=18/5000; per-app-api-usage=240/250(appName=sample)"},
            Observation(250, 10, None, DAY),
        ),
        ({"Sforce-Limit-Info": "api-usage=5003/5000"}, Observation(5000, 0, None, DAY)),
        (
            {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "30"},
            Observation(60, 12, later(30)),
        ),
        (
            {
                "X-RateLimit-Limit": "60",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(later(9).timestamp())),
            },
            Observation(60, 0, later(9)),
        ),
        (
            {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": str(int(later(9).timestamp() * 1000))},
            Observation(None, 5, later(9)),
        ),
        ({"X-RateLimit-Limit-Minute": "20", "X-RateLimit-Remaining-Minute": "3"}, Observation(20, 3, None, 60)),
        (
            {"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "50", "RateLimit-Reset": "20"},
            Observation(100, 50, later(20), 60),
        ),
        ({"RateLimit": "limit=100, remaining=40, reset=5"}, Observation(100, 40, later(5))),
        (
            {"RateLimit-Policy": '"default";q=100;w=10', "RateLimit": '"default";r=7;t=3'},
            Observation(100, 7, later(3), 10),
        ),
    ],
)
def test_headers_that_tell_what_is_left(headers: dict[str, str], seen: Observation) -> None:
    assert observe(headers, 200, now=NOW) == [seen]


def test_too_many_requests_blocks_until_retry_after() -> None:
    assert observe({"Retry-After": "7"}, 429, now=NOW) == [Observation(None, 0, later(7), None, True)]


def test_too_many_requests_without_a_time_blocks_until_the_window_that_is_spent_begins_anew() -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "33"}
    assert observe(headers, 429, now=NOW)[-1] == Observation(None, 0, later(33), None, True)


def test_too_many_requests_that_names_no_time_blocks_for_a_minute() -> None:
    assert observe({}, 429, now=NOW) == [Observation(None, 0, later(60), None, True)]


def test_an_overloaded_server_blocks_only_if_it_says_for_how_long() -> None:
    assert observe({}, 503, now=NOW) == []
    assert observe({"Retry-After": "4"}, 503, now=NOW) == [Observation(None, 0, later(4), None, True)]


@pytest.mark.parametrize("value", ["", "x", "-1", "1e3", "9" * 40, "1;DROP", "½"])
def test_nonsense_is_passed_over(value: str) -> None:
    headers = {"X-RateLimit-Limit": value, "X-RateLimit-Reset": value, "Sforce-Limit-Info": value, "RateLimit": value}
    assert [seen for seen in observe(headers, 200, now=NOW) if seen.limit not in (None, 1)] == []


@given(
    st.dictionaries(st.sampled_from(["RateLimit", "X-RateLimit-Reset", "Retry-After", "RateLimit-Limit"]), st.text())
)
def test_no_header_raises_or_leads_to_the_past(headers: dict[str, str]) -> None:
    for seen in observe(headers, 429, now=NOW):
        assert seen.reset_at is None or NOW <= seen.reset_at <= later(MAX_WAIT_SECONDS)


def test_salesforce_tells_its_two_refusals_apart_by_their_text() -> None:
    total = '[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]'
    running = '[{"message":"ConcurrentPerOrgLongTxn Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]'
    assert salesforce_refusal(total, now=NOW) == Observation(None, 0, None, DAY)
    blocked = salesforce_refusal(running, now=NOW)
    assert blocked is not None
    assert blocked.blocked
    assert salesforce_refusal('[{"errorCode":"INVALID_SESSION_ID"}]', now=NOW) is None
