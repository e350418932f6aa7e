"""The testing kit for servants: run one attempt inline, drain a real database, make the queues go wrong.

A leaf: it imports the parts it runs, and nothing imports it.
"""

from retinue.testing.clock import FakeClock
from retinue.testing.inline import run
from retinue.testing.queues import Faults, FaultyQueues, storm
from retinue.testing.ran import Ran
from retinue.testing.record import Anomaly, Committed, Statement

__all__ = ["Anomaly", "Committed", "FakeClock", "Faults", "FaultyQueues", "Ran", "Statement", "run", "storm"]
