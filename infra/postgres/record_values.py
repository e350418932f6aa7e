"""What records are made of: their version, their canonical payload and its hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

from infra.postgres.texts import storable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Text of any script stays as it is: shorter, and the same bytes that PostgreSQL keeps.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode

#: Types of nearly all values.
_FLAT = frozenset({str, int, bool, float, type(None)})

#: Between these, either encoder writes a float with the same characters.
_LEAST, _MOST = 1e-4, 1e15


class Canonical(str):
    """A payload whose reader wrote it in its canonical form at once, which takes a fraction of the time."""

    __slots__ = ()


class NewRecord(NamedTuple):
    """A record as a provider told of it; its values are in no `repr`.

    Attributes:
        external_id: what the provider calls it; for Salesforce the Id of 18 characters.
        version: the provider's mark of this state, see `version_of`; None where it gave none, and the stored one stays.
            A record that was merely not found is deleted so: nothing that was observed before brings it back.
        payload: JSON values by field, or written already; None where only its deletion is known, and the stored ones
            stay.
        deleted_at: when it was deleted; None while it lives.
    """

    external_id: str
    version: int | None
    payload: Mapping[str, Any] | Canonical | None = None
    deleted_at: datetime | None = None

    def __repr__(self) -> str:
        return f"NewRecord({self.external_id!r}, {self.version}, deleted_at={self.deleted_at})"


def version_of(moment: datetime) -> int:
    """The version of a record that was last modified at a moment with time zone: microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(version: int) -> datetime:
    """The moment behind a version."""
    return _EPOCH + timedelta(microseconds=version)


def canonical(payload: Mapping[str, Any] | Canonical) -> Canonical:
    """The payload as JSON that is the same whichever way the values came.

    Keys are sorted, a number without fraction is an integer, and what PostgreSQL cannot hold in a text (NUL, halves of
    a surrogate pair) is U+FFFD.

    Raises:
        ValueError: a number is infinite or none.
        TypeError: a value is not one of JSON's.
    """
    if isinstance(payload, Canonical):
        return payload
    return written(_encode_flat(payload) or _encode({name: _plain(value) for name, value in payload.items()}))


def written(encoded: str) -> Canonical:
    """JSON whose keys are sorted and whose numbers are plain, in its canonical form: every text is one to be stored."""
    if "\\u0000" in encoded or not _is_utf8(encoded):
        # Only what may be wrong is gone through value by value.
        return Canonical(_encode(_storable(json.loads(encoded))))
    return Canonical(encoded)


def values_of(payload: Mapping[str, Any] | Canonical) -> Mapping[str, Any]:
    """JSON values by field."""
    if isinstance(payload, Canonical):
        values: dict[str, Any] = json.loads(payload)
        return values
    return payload


def content_hash(external_id: str, canonical_payload: str) -> int:
    """A signed number of 64 bits that two different contents share by an accident of 1 in 2^64."""
    digest = blake2b(f"{external_id}\n{canonical_payload}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _encode_flat(payload: Mapping[str, Any]) -> str | None:
    """What `_encode` makes of a payload, but faster; None for what the two may write differently."""
    kinds = set(map(type, payload.values()))
    if not kinds <= _FLAT:
        return None
    names = sorted(payload)
    plain = payload if names == list(payload) else {name: payload[name] for name in names}
    if float in kinds:
        plain = {name: _plain(value) if type(value) is float else value for name, value in plain.items()}
        if not all(_LEAST <= abs(value) < _MOST for value in plain.values() if type(value) is float):
            return None
    try:
        return to_json(plain).decode()
    except PydanticSerializationError:
        # Half of a surrogate pair.
        return None


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is float and value.is_integer():
        return int(value)
    if kind is dict:
        return {name: _plain(inner) for name, inner in value.items()}
    if kind is list:
        return [_plain(inner) for inner in value]
    return value


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return value
