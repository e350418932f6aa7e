"""The rules of unique keys that fit together, and those that do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from retinue.errors import InvalidPayload
from retinue.unique import OnConflict, Over, Unique


def test_words_and_enums_are_the_same() -> None:
    assert Unique("k", over="waiting", on_conflict="replace") == Unique("k", Over.WAITING, OnConflict.REPLACE)
    assert (Unique("k").over, Unique("k").on_conflict) == ("unfinished", "ignore")


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"over": "ever"}, "over is one of unfinished, waiting, got 'ever'"),
        ({"on_conflict": "fail"}, "on_conflict is one of ignore, replace, earlier, later, got 'fail'"),
        ({"on_conflict": "later"}, "max_wait goes with on_conflict='later', which needs it"),
        ({"on_conflict": "earlier", "max_wait": timedelta(hours=1)}, "max_wait goes with on_conflict='later'"),
        ({"for_period": timedelta(0)}, "for_period is more than 0 and at most 366 days, got 0:00:00"),
        ({"for_period": timedelta(days=367)}, "for_period is more than 0 and at most 366 days"),
        ({"on_conflict": "later", "max_wait": timedelta(seconds=-1)}, "max_wait is more than 0"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rules: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidPayload, match=fault):
        Unique("k", **rules)
