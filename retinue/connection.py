"""A connection as a handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Connection:
    """An account's authorised link to one provider, its credentials opened and kept out of every `repr`."""

    id: int
    account_id: int
    provider: str
    name: str
    config: Mapping[str, Any]
    credentials: Mapping[str, str] = field(repr=False)
