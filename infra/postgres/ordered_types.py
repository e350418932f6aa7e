"""Types of jobs that delete for good: each is made by an order that asks who may give it, and notes who did.

Whoever may make schedules may make jobs of any other type, with any payload; of these they may not.
"""

from __future__ import annotations

#: Erases an account; see `infra.postgres.erasure_orders`.
ERASE_TYPE = "account.erase"

#: Removes a connection; see `infra.postgres.removal_orders`.
REMOVE_TYPE = "connection.remove"

ORDERED_TYPES = frozenset({ERASE_TYPE, REMOVE_TYPE})

#: Of these no job that ended is run again: who may retry any other may not order this, and the order may be withdrawn.
NOT_RETRIED = frozenset({ERASE_TYPE})
