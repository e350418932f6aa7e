"""Where settings come from: which names the environment and `.env` hold, and whether `.env` can be read at all."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from retinue.errors import ConfigurationError

ENV_PREFIX = "RETINUE_"


@dataclass(frozen=True, slots=True)
class Origin:
    """The names that were set, in upper case, and by what."""

    given: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    dotenv: frozenset[str] = frozenset()

    def source(self, variable: str) -> str:
        """What the value in use comes from: `given`, `env`, `.env` or `default`."""
        places = {"given": self.given, "env": self.environment, ".env": self.dotenv}
        return next((place for place, names in places.items() if variable in names), "default")


def variable_name(field: str) -> str:
    """The environment variable that sets `field`."""
    return f"{ENV_PREFIX}{field.upper()}"


def read_origin(env_file: Path | None, *, given: Iterable[str] = ()) -> Origin:
    """Who sets what.

    Raises:
        ConfigurationError: `env_file` is there and cannot be read; the message names each line at fault.
    """
    return Origin(
        given=frozenset(variable_name(field) for field in given),
        environment=_ours(name for name, value in os.environ.items() if value),
        dotenv=_ours(binding.key for binding in _read_dotenv(env_file) if binding.key and binding.value),
    )


def _ours(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.upper() for name in names if name.upper().startswith(ENV_PREFIX))


def _read_dotenv(path: Path | None) -> list[Binding]:
    if path is None or not path.exists():
        return []
    try:
        bindings = list(parse_stream(io.StringIO(path.read_text("utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from None
    faulty = [binding for binding in bindings if _is_faulty(binding)]
    if faulty:
        lines = ", ".join(str(_line(binding)) for binding in faulty)
        raise ConfigurationError(
            f"{path}: cannot make out line {lines}: write NAME=value, or NAME='value' with spaces."
        )
    return bindings


def _is_faulty(binding: Binding) -> bool:
    nameless_value = binding.key is not None and binding.value is None and binding.key.upper().startswith(ENV_PREFIX)
    return binding.error or nameless_value


def _line(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
