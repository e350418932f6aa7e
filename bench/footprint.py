"""What the processes cost: memory idle and busy, CPU and SQS calls while there is nothing to do."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from bench.fleet import ECHO, SLEEP, fleet, scalar, sqs_calls
from bench.machine import Machine
from infra.postgres.bell import Bell
from infra.postgres.enqueue import NewJob, enqueue_many

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Idle:
    """`cpu` is per cent of one core, all processes together; `calls` SQS calls a minute per servant; memory in MiB."""

    cpu: float
    calls: float
    memory: dict[str, float]


def idle(machine: Machine, *, seconds: float) -> Idle:
    """A scheduler, four servants and the manager with nothing to do."""
    with fleet(machine, ECHO, ECHO, SLEEP, SLEEP, manager=True) as processes:
        time.sleep(5)  # what the start itself cost is not idling
        before = _cpu_seconds(processes)
        began = time.monotonic()
        time.sleep(seconds)
        cpu = 100 * (_cpu_seconds(processes) - before) / (time.monotonic() - began)
        memory = {name: pss(process) for name, process in processes.items()}
    servants = [name for name in processes if name.startswith("servant")]
    # The last receive of each is cut short by the end of the measurement.
    receives = sqs_calls(machine, *servants)["ReceiveMessage"] - len(servants)
    return Idle(cpu, 60 * receives / len(servants) / (seconds + 5), memory)


def busy_memory(machine: Machine) -> float:
    """MiB of a servant process with its 16 slots busy."""
    running = "SELECT coalesce(max(busy), 0) FROM servants WHERE state = 'active'"
    with fleet(machine, SLEEP) as processes:
        connection = machine.connection()
        with connection.transaction():
            enqueue_many(connection, [NewJob(type=SLEEP, payload={"seconds": 3}, account_id=1) for _ in range(16)])
        bell = Bell(machine.url)
        bell.ring()
        machine.wait_for(lambda: scalar(machine, running) == 16, "sixteen busy slots")
        bell.close()
        return pss(processes["servant-0"])


def pss(process: psutil.Process) -> float:
    """MiB of memory, shared pages counted in proportion."""
    return float(process.memory_full_info().pss) / MEBIBYTE


def _cpu_seconds(processes: dict[str, psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes.values())
