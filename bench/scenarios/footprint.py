"""What Retinue's processes cost: CPU and SQS calls while there is nothing to do, memory idle and busy."""

from __future__ import annotations

import time

import psutil

from bench.figures import RETINUE, Figure, Options, Section
from bench.fleet import ECHO, SLEEP, fleet, scalar, sqs_calls
from bench.machine import Machine, machine
from bench.processes import cpu_seconds, pss
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many

CPU = "idle CPU: scheduler, 4 servants, manager"
CALLS = "SQS calls a minute, per idle servant"
BUSY = "memory, servant with 16 busy slots"

#: Seconds of idling for each second that the options ask for.
STRETCH = 12


def measure(options: Options) -> Section:
    """One reading: idling is long, and it varies little."""
    with machine() as host:
        figures = idle(host, seconds=STRETCH * options.seconds)
        busy = busy_memory(host)
    figures.append(Figure(who=RETINUE, what=BUSY, unit="MiB", values=(busy,), goal=120, better="less"))
    return Section(figures)


def idle(host: Machine, *, seconds: float) -> list[Figure]:
    """A scheduler, four servants and the manager with nothing to do."""
    with fleet(host, ECHO, ECHO, SLEEP, SLEEP, manager=True) as processes:
        time.sleep(5)  # what the start itself cost is not idling
        before = cpu_seconds(processes.values())
        began = time.monotonic()
        time.sleep(seconds)
        cpu = 100 * (cpu_seconds(processes.values()) - before) / (time.monotonic() - began)
        memory = _memory(processes)
    servants = [name for name in processes if name.startswith("servant")]
    # The last receive of each is cut short by the end of the measurement.
    receives = sqs_calls(host, *servants)["ReceiveMessage"] - len(servants)
    calls = 60 * receives / len(servants) / (seconds + 5)
    return [
        Figure(who=RETINUE, what=CPU, unit="% of a core", values=(cpu,), goal=2, better="less"),
        Figure(who=RETINUE, what=CALLS, unit="calls", values=(calls,), goal=3, better="less"),
        *memory,
    ]


def busy_memory(host: Machine) -> float:
    """MiB of a servant process with its 16 slots busy."""
    running = "SELECT coalesce(max(busy), 0) FROM servants WHERE state = 'active'"
    with fleet(host, SLEEP) as processes:
        connection = host.connection()
        with connection.transaction():
            enqueue_many(connection, [NewJob(type=SLEEP, payload={"seconds": 3}, account_id=1) for _ in range(16)])
        bell = Bell(host.url)
        bell.ring()
        host.wait_for(lambda: scalar(host, running) == 16, "sixteen busy slots")
        bell.close()
        return pss(processes["servant-0"])


def _memory(processes: dict[str, psutil.Process]) -> list[Figure]:
    servants = [pss(process) for name, process in processes.items() if name.startswith("servant")]
    kinds = {"servant": max(servants), "scheduler": pss(processes["scheduler"]), "manager": pss(processes["manager"])}
    return [
        Figure(
            who=RETINUE,
            what=f"memory idle, {name}",
            unit="MiB",
            values=(value,),
            goal=80 if name == "servant" else None,
            better="less",
        )
        for name, value in kinds.items()
    ]
