"""Many tests make an application each; what they would compile again each time is compiled once in a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule


class _SharedTemplates(BytecodeCache):
    """What templates were compiled to, by their name and text."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


_TEMPLATES = _SharedTemplates()


class _SharedBuilders(Rule):
    """What makes addresses of a rule is compiled from its parts alone: the rule is an argument."""

    _made: dict[object, Callable[..., tuple[str, str]]] = {}  # noqa: RUF012 - one for all rules of the process

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (self.rule, tuple(self._trace), tuple(sorted((self.defaults or {}).items())), append_unknown)
        if key not in self._made:
            self._made[key] = super()._compile_builder(append_unknown)
        return self._made[key]


Flask.url_rule_class = _SharedBuilders


def share_templates(app: Flask) -> Flask:
    """The same application; it takes over the templates that others have compiled."""
    app.jinja_env.bytecode_cache = _TEMPLATES
    return app
