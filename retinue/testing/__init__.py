"""The testing kit for servants: run one attempt inline, drain a real database, make the queues go wrong.

A leaf: it imports the parts it runs, and nothing imports it. Its fixtures are in `retinue.testing.pytest`.
"""

from retinue.testing.clock import FakeClock
from retinue.testing.database import RetinueDatabase
from retinue.testing.drain import Drained, NotDrained, drain
from retinue.testing.inline import run
from retinue.testing.queues import Faults, FaultyQueues, storm
from retinue.testing.ran import Ran
from retinue.testing.record import Anomaly, Committed, Statement

__all__ = [
    "Anomaly",
    "Committed",
    "Drained",
    "FakeClock",
    "Faults",
    "FaultyQueues",
    "NotDrained",
    "Ran",
    "RetinueDatabase",
    "Statement",
    "drain",
    "run",
    "storm",
]
