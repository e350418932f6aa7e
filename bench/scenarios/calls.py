"""SQS requests for each 1,000 short jobs, counted at the server: enqueueing, dispatch, receiving and deleting."""

from __future__ import annotations

from urllib.request import urlopen

from bench import counted_sqs
from bench.contestants import NOOP, Contestant, drain
from bench.figures import RETINUE, Figure, Options, Section
from bench.machine import Machine
from bench.side_by_side import Measured, side_by_side

CALLS, MONEY = "SQS requests per 1,000 no-op jobs", "SQS money per million jobs"

#: A request to a standard queue, us-east-1: https://aws.amazon.com/sqs/pricing/
DOLLARS_PER_REQUEST = 0.40 / 1_000_000

#: Jobs for each second that the options ask for; the peers' are as many as `most` lets them be.
JOBS = 8000


def measure(options: Options) -> Section:
    """Retinue and the peers that use SQS."""

    def once(contestant: Contestant) -> Measured:
        jobs = min(round(JOBS * options.seconds), contestant.most)
        before = requests(contestant.machine)
        drain(contestant, NOOP, jobs)
        calls = 1000 * (requests(contestant.machine) - before) / jobs
        return {CALLS: calls, MONEY: calls * 1000 * DOLLARS_PER_REQUEST}

    readings = side_by_side(options, once, among=lambda entry: "SQS" in entry.name)
    figures = [
        Figure(who=who, what=what, unit=unit, values=values, goal=goal if who == RETINUE else None, better="less")
        for what, unit, goal in ((CALLS, "requests", 30.0), (MONEY, "$", 0.02))
        for who, values in readings.of(what)
    ]
    return Section(figures, readings.settings, readings.missing)


def requests(host: Machine) -> int:
    """Requests that the SQS server has answered."""
    with urlopen(host.sqs_url + counted_sqs.PATH, timeout=10) as answer:  # noqa: S310 - our own server
        return int(answer.read())
