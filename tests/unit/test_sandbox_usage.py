"""What the sandbox org's callers have used of what they may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.salesforce.clock import Clock
from infra.local.salesforce.errors import SalesforceError
from infra.local.salesforce.usage import DAILY_CALLS, LONG_CALLS, Usage


def made_calls(usage: Usage, number: int, kind: str = "query") -> None:
    for _ in range(number):
        with usage.call(kind):
            pass


def test_calls_are_counted_and_said() -> None:
    usage = Usage(Clock())
    made_calls(usage, 3)
    made_calls(usage, 1, "describe")
    assert usage.header() == "api-usage=4/15000"
    assert usage.counts() == {"query": 3, "describe": 1}
    assert usage.limits()[DAILY_CALLS] == {"Max": 15_000, "Remaining": 14_996}


def test_a_call_past_the_days_is_refused_and_not_counted() -> None:
    usage = Usage(Clock())
    usage.set_max(DAILY_CALLS, 2)
    made_calls(usage, 2)
    with pytest.raises(SalesforceError) as refused:
        made_calls(usage, 1)
    assert (refused.value.status, refused.value.code) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert refused.value.message == "TotalRequests Limit exceeded."
    assert usage.header() == "api-usage=2/2"


def test_calls_leave_the_window_a_day_later() -> None:
    clock = Clock()
    usage = Usage(clock)
    made_calls(usage, 2)
    clock.advance(timedelta(hours=12))
    made_calls(usage, 3)
    clock.advance(timedelta(hours=12, minutes=1))
    assert usage.used(DAILY_CALLS) == 3
    clock.advance(timedelta(hours=12))
    assert usage.used(DAILY_CALLS) == 0


def test_too_many_long_calls_keep_others_out_until_one_ends() -> None:
    clock = Clock()
    usage = Usage(clock)
    usage.set_max(LONG_CALLS, 1)
    with usage.call("query"):
        made_calls(usage, 1)
        clock.advance(timedelta(seconds=20))
        with pytest.raises(SalesforceError) as refused:
            made_calls(usage, 1)
    assert "ConcurrentRequests" in refused.value.message
    assert refused.value.code == "REQUEST_LIMIT_EXCEEDED"
    made_calls(usage, 1)


def test_others_use_up_what_there_is() -> None:
    usage = Usage(Clock())
    usage.use(DAILY_CALLS, 15_001)
    assert usage.limits()[DAILY_CALLS]["Remaining"] == 0
    with pytest.raises(SalesforceError):
        made_calls(usage, 1)
    usage.use(LONG_CALLS, 5)
    usage.use(DAILY_CALLS, -15_001)
    with pytest.raises(SalesforceError, match="ConcurrentRequests"):
        made_calls(usage, 1)
    usage.use(LONG_CALLS, -1)
    made_calls(usage, 1)


def test_other_pools_have_their_own_end() -> None:
    usage = Usage(Clock())
    usage.set_max("DailyBulkV2QueryJobs", 2)
    usage.spend("DailyBulkV2QueryJobs", 2)
    with pytest.raises(SalesforceError, match="DailyBulkV2QueryJobs"):
        usage.spend("DailyBulkV2QueryJobs")
    assert usage.used(DAILY_CALLS) == 0
    assert LONG_CALLS not in usage.limits()
    with pytest.raises(KeyError):
        usage.set_max("Nothing", 1)
