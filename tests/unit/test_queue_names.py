"""Queue names: one rule, and a clear word when SQS would refuse."""

from __future__ import annotations

import pytest

from infra.queues.names import DEAD_SUFFIX, MAX_LENGTH, queue_name
from retinue.errors import ConfigurationError


def test_a_name_is_prefix_environment_and_type() -> None:
    assert queue_name("retinue", "prod-eu", "calendar.full_sync") == "retinue-prod-eu-calendar-full_sync"


def test_the_longest_name_leaves_room_for_the_dead_letter_queue() -> None:
    environment = "e" * (MAX_LENGTH - len("p--a-b") - len(DEAD_SUFFIX))
    assert len(queue_name("p", environment, "a.b") + DEAD_SUFFIX) == MAX_LENGTH
    with pytest.raises(ConfigurationError, match=r"at most 75 characters.*RETINUE_QUEUE_PREFIX or RETINUE_ENVIRONMENT"):
        queue_name("p", environment + "e", "a.b")


@pytest.mark.parametrize("job_type", ["a b", "a/b", "größe.x", "a.b\n"])
def test_characters_that_sqs_does_not_take_are_refused(job_type: str) -> None:
    with pytest.raises(ConfigurationError, match="is no queue name"):
        queue_name("retinue", "local", job_type)


def test_a_type_does_not_take_the_name_of_anothers_dead_letter_queue() -> None:
    with pytest.raises(ConfigurationError, match="dead-letter"):
        queue_name("retinue", "local", "calendar.sync.dead")
