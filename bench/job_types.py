"""Job types of the bench's own, found by the entry points that `offer` writes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from retinue import Completed, Job, Outcome, Payload, servant
from retinue.async_job import AsyncJob

#: Slots of an async servant: all coroutines of one event loop.
ASYNC_SLOTS = 1000


class Nap(Payload):
    """`seconds` to await, and whether to report when the handler began, as `system.echo` does."""

    seconds: float = 0
    stamp: bool = False


@servant("bench.nap", slots=ASYNC_SLOTS)
async def nap(job: AsyncJob[Nap]) -> Outcome:
    """What `system.echo` does, as a coroutine."""
    began = time.time()
    if job.payload.seconds:
        await asyncio.sleep(job.payload.seconds)
    return Completed({"began": began} if job.payload.stamp else None)


class Call(Payload):
    """Which connection to call over."""

    connection_id: int


@servant("bench.call", slots=16, lane="connection_id")
def call(job: Job[Call]) -> Outcome:
    """One call to a provider that answers at once."""
    with job.connection(job.payload.connection_id).call():
        return Completed()


def offer(directory: Path) -> None:
    """Make the types known to whoever has `directory` on its path."""
    metadata = directory / "retinue_bench-1.dist-info"
    if metadata.exists():
        return
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: retinue-bench\nVersion: 1\n")
    entries = [f"{kind.name} = bench.job_types:{kind.handler.__name__}" for kind in (nap, call)]
    (metadata / "entry_points.txt").write_text("\n".join(["[retinue.servants]", *entries, ""]))
