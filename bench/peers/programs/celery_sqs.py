"""Celery on SQS: 2 workers of one process each, long polls without a pause between them."""

from __future__ import annotations

from urllib.parse import urlsplit

from bench.peers.programs import celery_work, common

app = celery_work.make_app(
    f"sqs://retinue:retinue@{urlsplit(common.SQS_URL).netloc}",
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 20,
        "polling_interval": 0,
    },
)
program = celery_work.Program(
    app, module="bench.peers.programs.celery_sqs", pool=("--pool", "prefork", "--concurrency", "1")
)

if __name__ == "__main__":
    common.main(program)
