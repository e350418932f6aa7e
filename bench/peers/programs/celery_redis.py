"""Celery on Redis: 2 workers of 16 threads."""

from __future__ import annotations

from bench.peers.programs import celery_work, common

app = celery_work.make_app(common.REDIS_URL)
program = celery_work.Program(
    app, module="bench.peers.programs.celery_redis", pool=("--pool", "threads", "--concurrency", "16")
)

if __name__ == "__main__":
    common.main(program)
