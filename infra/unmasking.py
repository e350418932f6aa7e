"""From what a person made of a value that was shown masked, back to the value itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.redaction import MASK, mask_text
from retinue.errors import InvalidPayload


def unmasked(written: Any, *, shown: Any, stored: Any) -> Any:
    """What was written over JSON as `shown`, with what is stored wherever nothing was changed.

    Raises:
        InvalidPayload: a mask stands where nothing was hidden, or within a text that was changed.
    """
    if _is_same(written, shown):
        return stored
    if isinstance(written, Mapping):
        return _unmasked_pairs(written, _pairs(shown), _pairs(stored))
    if isinstance(written, list):
        before, behind = _items(shown, len(written)), _items(stored, len(written))
        return [unmasked(one, shown=a, stored=b) for one, a, b in zip(written, before, behind, strict=True)]
    if isinstance(written, str):
        _check(written, shown)
    return written


def _unmasked_pairs(written: Mapping[str, Any], shown: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    # Names are shown masked, too.
    names = {mask_text(name): name for name in stored}
    found = {}
    for shown_name, value in written.items():
        name = names.get(shown_name, shown_name)
        if name in stored or shown_name not in shown or not _is_same(value, shown[shown_name]):
            found[name] = unmasked(value, shown=shown.get(shown_name), stored=stored.get(name))
    return found


def _check(written: str, shown: Any) -> None:
    if written == MASK or (MASK in written and isinstance(shown, str) and MASK in shown):
        nothing = "" if isinstance(shown, str) and MASK in shown else ", and there is none"
        raise InvalidPayload(f"{MASK} stands for a value that is not shown{nothing}: write the value.")


def _is_same(one: Any, other: Any) -> bool:
    # Python holds 1 and True for equal.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _pairs(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any, count: int) -> list[Any]:
    items = value if isinstance(value, list) else []
    return [*items[:count], *[None] * (count - len(items))]
