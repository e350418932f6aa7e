"""Dramatiq on SQS: 2 processes of 8 threads; dramatiq_sqs polls for 20 s and fetches up to ten messages."""

from __future__ import annotations

import dramatiq
from dramatiq_sqs import SQSBroker

from bench.peers.programs import common, dramatiq_work

broker = SQSBroker(namespace="bench", endpoint_url=common.SQS_URL, region_name="us-east-1")
dramatiq.set_broker(broker)
program = dramatiq_work.Program(broker, module="bench.peers.programs.dramatiq_sqs", threads=8)

if __name__ == "__main__":
    common.main(program)
