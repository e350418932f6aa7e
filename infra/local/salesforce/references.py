"""Values that a subrequest of a composite takes from the answers of earlier ones: `@{newAccount.id}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


class Failed(Exception):
    """There is nothing where a reference points."""


def filled(value: Any, bodies: Mapping[str, Any]) -> Any:
    """The value with every reference replaced; a text that is but one reference becomes the value itself.

    Raises:
        Failed: a reference points at nothing.
    """
    if isinstance(value, dict):
        return {name: filled(inner, bodies) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, bodies) for inner in value]
    if not isinstance(value, str):
        return value
    alone = _REFERENCE.fullmatch(value)
    if alone:
        return _found(alone, bodies)
    return _REFERENCE.sub(lambda match: str(_found(match, bodies)), value)


def _found(match: re.Match[str], bodies: Mapping[str, Any]) -> Any:
    name, path = match.groups()
    if name not in bodies:
        raise Failed(f"Invalid reference specified. No value for {name} found")
    value = bodies[name]
    for word, index in _STEP.findall(path):
        value = _step(value, word, index)
        if value is None:
            raise Failed(f"Invalid reference specified. No value for {match[0]} found in {name}")
    return value


def _step(value: Any, word: str, index: str) -> Any:
    if index:
        return value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    if not isinstance(value, dict):
        return None
    return next((inner for key, inner in value.items() if key.lower() == word.lower()), None)
