"""Queue names: one rule for every process."""

from __future__ import annotations

import re

from retinue.errors import ConfigurationError

#: Longest queue name and its characters (Amazon SQS message quotas).
MAX_LENGTH = 80
_ALLOWED = re.compile(r"[A-Za-z0-9_-]+")

DEAD_SUFFIX = "-dead"


def queue_name(prefix: str, environment: str, job_type: str) -> str:
    """The queue of a job type, such as `retinue-prod-calendar-sync`; its dead-letter queue ends in `-dead`.

    Raises:
        ConfigurationError: SQS takes no such name, or it is that of another type's dead-letter queue.
    """
    name = f"{prefix}-{environment}-{job_type.replace('.', '-')}"
    if len(name) + len(DEAD_SUFFIX) > MAX_LENGTH or not _ALLOWED.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no queue name: letters, digits, - and _, at most {MAX_LENGTH - len(DEAD_SUFFIX)} characters. "
            "Shorten RETINUE_QUEUE_PREFIX or RETINUE_ENVIRONMENT."
        )
    if name.endswith(DEAD_SUFFIX):
        raise ConfigurationError(f"{job_type!r} cannot have a queue: names in {DEAD_SUFFIX!r} are dead-letter queues.")
    return name
