"""What is known of a provider before it has answered anything: its usual limits, and when to stay away from it.

A servant's package declares it once, at import:

    declare_provider("caldav", budget=Budget(concurrent=4), breaker=Breaker(failures=3, within=seconds(6)))
"""

from __future__ import annotations

from dataclasses import dataclass, field

from retinue.breaker import Breaker
from retinue.budget import Budget


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's defaults. `shared_breaker` guards all its connections together; None: each stands for itself."""

    name: str
    budget: Budget = field(default_factory=Budget)
    breaker: Breaker = field(default_factory=Breaker)
    shared_breaker: Breaker | None = None


_declared: dict[str, Provider] = {}


def declare_provider(
    name: str, *, budget: Budget | None = None, breaker: Breaker | None = None, shared_breaker: Breaker | None = None
) -> Provider:
    """Say what holds for each connection to provider `name` unless a person sets something else for one.

    Raises:
        ValueError: it was declared differently before.
    """
    provider = Provider(name, budget or Budget(), breaker or Breaker(), shared_breaker)
    if _declared.setdefault(name, provider) != provider:
        raise ValueError(f"provider {name!r} is declared twice, and differently")
    return provider


def find_provider(name: str) -> Provider:
    """What was declared for provider `name`; without a declaration no budget, and a breaker of its own."""
    return _declared.get(name) or Provider(name)
