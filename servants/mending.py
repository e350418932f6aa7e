"""What a person does about a connection's settings, for the ends of sentences."""

from __future__ import annotations

from collections.abc import Sequence

#: Settings that are sealed; what holds them has a command of its own.
_SECRETS = frozenset({"password"})


def by_setting(options: str = "") -> str:
    """The command that changes a connection's settings, with these options."""
    return f"`{' '.join(['retinue connections set ID', *options.split()])}`"


def lacks(what: str, missing: Sequence[str]) -> str:
    """The sentence on settings that are not there; `what` is what lacks them."""
    options = " ".join(f"--{name} …" for name in missing if name not in _SECRETS)
    commands = [by_setting(options)] if options else []
    if not _SECRETS.isdisjoint(missing):
        commands.append("`retinue connections password ID`")
    return f"{what} has no {' and no '.join(missing)}; add it by {' and '.join(commands)}."
