"""Payloads: checked when a job is made, with an answer that names what does not fit and what was expected."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from retinue import NoPayload, Payload, Sensitive
from retinue.errors import InvalidPayload
from retinue.payload import parse_payload, validate_payload


class Line(Payload):
    sku: str
    count: int = Field(default=1, ge=1)


class Order(Payload):
    number: int
    note: Annotated[str, Sensitive()] = ""
    lines: tuple[Line, ...] = ()
    weight: float = 0.0


def test_a_mapping_becomes_the_model() -> None:
    order = validate_payload("order.send", Order, {"number": 7, "lines": [{"sku": "a"}]})
    assert order == Order(number=7, lines=(Line(sku="a"),))


def test_the_model_itself_is_taken_as_it_is() -> None:
    order = Order(number=7)
    assert validate_payload("order.send", Order, order) is order


def test_another_model_of_the_same_shape_will_do() -> None:
    class Elsewhere(BaseModel):
        number: int

    assert validate_payload("order.send", Order, Elsewhere(number=7)) == Order(number=7)


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({}, ["number: Field required"]),
        ({"number": "seven"}, ["number: Input should be a valid integer"]),
        ({"number": 7, "nubmer": 8}, ["nubmer: Extra inputs are not permitted"]),
        ({"number": 7, "lines": [{"sku": "a"}, {"count": 0}]}, ["lines.1.sku: Field required", "lines.1.count: Input"]),
        ({"number": 7, "weight": float("nan")}, ["weight: Input should be a finite number"]),
        ({"number": 7, "weight": float("inf")}, ["weight: Input should be a finite number"]),
        ([1], ["payload: Input should be a valid dictionary"]),
        (None, ["payload: Input should be a valid dictionary"]),
    ],
)
def test_every_fault_is_named_with_its_place(value: Any, faults: list[str]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        validate_payload("order.send", Order, value)
    message = caught.value.message
    shape = "number, note (optional), lines (optional), weight (optional)"
    assert message.startswith(f"The payload for 'order.send' does not fit Order ({shape}). ")
    assert all(fault in message for fault in faults)


def test_the_message_never_repeats_what_was_sent() -> None:
    with pytest.raises(InvalidPayload) as caught:
        validate_payload("order.send", Order, {"number": "hunter2", "note": ["hunter2"]})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_type_without_a_payload_takes_none() -> None:
    assert validate_payload("cache.clear", NoPayload, {}) == NoPayload()
    with pytest.raises(InvalidPayload, match=r"does not fit NoPayload \(no fields\). x: Extra inputs"):
        validate_payload("cache.clear", NoPayload, {"x": 1})


def test_a_payload_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Order(number=7).number = 8  # type: ignore[misc] # the fault under test


def test_what_was_stored_is_read_back() -> None:
    order = Order(number=7, note='é "quoted" \\', lines=(Line(sku="a", count=2),))
    assert parse_payload("order.send", Order, order.model_dump_json()) == order


def test_a_payload_that_an_older_version_stored_is_refused_without_its_values() -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse_payload("order.send", Order, '{"number": 7, "gone": "hunter2"}')
    assert "gone: Extra inputs are not permitted" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_field_with_an_alias_is_read_back_by_its_name() -> None:
    class Mail(Payload):
        sender: str = Field(alias="from")

    made = validate_payload("mail.send", Mail, {"from": "a@example.org"})
    assert parse_payload("mail.send", Mail, made.model_dump_json()) == made


def test_the_authors_own_check_is_told() -> None:
    class Even(Payload):
        number: int

        @field_validator("number")
        @classmethod
        def is_even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("an even number, please")
            return number

    with pytest.raises(InvalidPayload, match="number: Value error, an even number, please"):
        validate_payload("even.send", Even, {"number": 3})
