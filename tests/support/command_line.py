"""`retinue` as a person or a script runs it, in the test's own process and against the test's own database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import cli

KEY = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
OTHER_KEY = "k1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="


class CommandLine:
    """Runs commands. An error that no command explains fails the test."""

    def run(self, *arguments: object, stdin: str | None = None) -> Result:
        """Run one command, whatever comes of it."""
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin, prog_name="retinue")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def say(self, *arguments: object, stdin: str | None = None) -> str:
        """What a command that goes well prints on standard output."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: object, stdin: str | None = None, exit_code: int = 0) -> Any:
        """The same with `--json`, read."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def refusal(self, *arguments: object, exit_code: int, stdin: str | None = None) -> str:
        """The message of a command that is refused: on standard error, and nothing else anywhere."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result.stderr


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting but the defaults, no `.env`, no embedded stack."""
    for name in [name for name in os.environ if name.startswith("RETINUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def retinue(bare_environment: None, database_url: str, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line of an installation with an empty database."""
    monkeypatch.setenv("RETINUE_DATABASE_URL", database_url)
    monkeypatch.setenv("RETINUE_SECRET_KEY", KEY)
    return CommandLine()
