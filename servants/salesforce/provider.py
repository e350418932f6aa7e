"""What holds for every connection to Salesforce until its answers, or a person, say more."""

from __future__ import annotations

from infra.postgres.salesforce_connections import QUOTA_SHARE, SMALLEST_CONCURRENCY, UNKNOWN_DAY
from retinue.breaker import Breaker
from retinue.budget import Budget
from retinue.durations import minutes, seconds
from retinue.provider import declare_provider

#: The provider of the connections that orgs are synced over.
PROVIDER = "salesforce"

SALESFORCE = declare_provider(
    PROVIDER,
    budget=Budget(per_day=UNKNOWN_DAY, concurrent=SMALLEST_CONCURRENCY, reserve=1 - QUOTA_SHARE),
    breaker=Breaker(failures=3, within=minutes(1), probe_after=seconds(10), longest=minutes(30)),
)
