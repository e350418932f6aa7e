"""What holds for every connection to Salesforce until its answers say more."""

from __future__ import annotations

from retinue.breaker import Breaker
from retinue.budget import Budget
from retinue.durations import minutes, seconds
from retinue.provider import declare_provider
from servants.salesforce.client.sign_in import PROVIDER

#: The share of an org's daily calls that is left to the customer's other tools, unless a person sets another.
OTHERS_SHARE = 0.5

#: Calls of a day in the smallest org, a Developer edition ("API Request Limits and Allocations"); the first answer's
#: Sforce-Limit-Info replaces it.
SMALLEST_DAY = 15_000

#: Long requests that such an org allows at the same time (the same page); short ones are not limited.
SMALLEST_CONCURRENCY = 5

SALESFORCE = declare_provider(
    PROVIDER,
    budget=Budget(per_day=SMALLEST_DAY, concurrent=SMALLEST_CONCURRENCY, reserve=OTHERS_SHARE),
    breaker=Breaker(failures=3, within=minutes(1), probe_after=seconds(10), longest=minutes(30)),
)
