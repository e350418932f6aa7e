"""Message bodies: what is packed can be read, and nothing else can."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.queues.body import MAX_ID, MAX_IDS_PER_MESSAGE, UnparsableMessage, pack, readable_reason, split, unpack
from infra.queues.transport import MAX_BATCH, MAX_BATCH_BYTES

JOB_IDS = st.lists(st.integers(1, MAX_ID), min_size=1, max_size=MAX_IDS_PER_MESSAGE)


@given(JOB_IDS)
def test_what_is_packed_can_be_read(ids: list[int]) -> None:
    assert unpack(pack(ids)) == tuple(ids)


def test_the_body_is_compact_json_with_a_version() -> None:
    assert pack([1, 22]) == '{"v":1,"ids":[1,22]}'


def test_ten_full_messages_fit_into_one_batch_call() -> None:
    assert MAX_BATCH * len(pack([MAX_ID] * MAX_IDS_PER_MESSAGE)) < MAX_BATCH_BYTES


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_split_keeps_order_and_size(ids: list[int], per_message: int) -> None:
    parts = split(ids, per_message)
    assert [identity for part in parts for identity in part] == ids
    assert all(1 <= len(part) <= per_message for part in parts)


def test_unknown_keys_of_the_same_version_are_left_alone() -> None:
    assert unpack('{"v":1,"ids":[1],"sent_by":"a later release"}') == (1,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"v":1,"ids":[' + "1" * 5000 + "]}", "not JSON"),
        ("null", "not a version 1 message"),
        ("[1]", "not a version 1 message"),
        ('{"ids":[1]}', "not a version 1 message"),
        ('{"v":2,"ids":[1]}', "not a version 1 message"),
        ('{"v":"1","ids":[1]}', "not a version 1 message"),
        ('{"v":true,"ids":[1]}', "not a version 1 message"),
        ('{"v":1}', "ids is not a list"),
        ('{"v":1,"ids":7}', "ids is not a list"),
        ('{"v":1,"ids":{"1":1}}', "ids is not a list"),
        ('{"v":1,"ids":[]}', "1 to 1000 job IDs, not 0"),
        (json.dumps({"v": 1, "ids": list(range(1, MAX_IDS_PER_MESSAGE + 2))}), "1 to 1000 job IDs, not 1001"),
        ('{"v":1,"ids":[1,0]}', "'0' is no job ID"),
        ('{"v":1,"ids":[-1]}', "'-1' is no job ID"),
        ('{"v":1,"ids":[true]}', "'True' is no job ID"),
        ('{"v":1,"ids":[null]}', "'None' is no job ID"),
        ('{"v":1,"ids":[1.0]}', r"'1\.0' is no job ID"),
        ('{"v":1,"ids":[NaN]}', "'nan' is no job ID"),
        ('{"v":1,"ids":["1"]}', "'1' is no job ID"),
        ('{"v":1,"ids":[[1]]}', r"'\[1\]' is no job ID"),
        (f'{{"v":1,"ids":[{MAX_ID + 1}]}}', f"'{MAX_ID + 1}' is no job ID"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(UnparsableMessage, match=problem):
        unpack(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_json_makes_it_fail_otherwise(said: Any) -> None:
    with pytest.raises(UnparsableMessage):
        unpack(json.dumps(said))


@given(st.text())
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    with pytest.raises(UnparsableMessage):
        unpack(text)


@pytest.mark.parametrize("ids", [[], [0], [-1], [True], [MAX_ID + 1], [1] * (MAX_IDS_PER_MESSAGE + 1)])
def test_what_nobody_could_read_is_not_packed(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="job ID"):
        pack(ids)


@given(st.text())
def test_any_reason_becomes_some_short_printable_text(reason: str) -> None:
    said = readable_reason(reason)
    assert 1 <= len(said) <= 200
    assert said.isprintable()
