"""Dramatiq on Redis: 2 processes of 16 threads."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.peers.programs import common, dramatiq_work

broker = RedisBroker(url=common.REDIS_URL)
dramatiq.set_broker(broker)
program = dramatiq_work.Program(broker, module="bench.peers.programs.dramatiq_redis", threads=16)

if __name__ == "__main__":
    common.main(program)
