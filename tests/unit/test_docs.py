"""The pages say what is true: settings, commands, names, events, checks, links, and code that runs."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import SecretStr

import retinue
from cli.main import cli
from infra.settings import Settings
from retinue.servant import ServantRules
from tests.support.docs import OPERATING, PAGES, ROOT, SERVANTS, blocks, load, python_block

PYTHON_BLOCKS = [
    pytest.param(block, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(blocks(text, "python"), start=1)
]

#: Programs that log for operators; the embedded stack's own programs report to `retinue up`.
LOGGING = ("scheduler", "servants", "infra", "manager", "cli")

TOP_FOLDERS = ("docs", "retinue", "infra", "scheduler", "servants", "manager", "cli", "tests", "bench")


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Forget the modules that a test makes of the pages' blocks."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("acme_", "documented")):
            del sys.modules[name]


@pytest.mark.parametrize("block", PYTHON_BLOCKS)
def test_every_python_block_can_be_imported(block: str, tmp_path: Path, own_modules: None) -> None:
    load(python_block("class Invoice"), tmp_path, name="acme_servants")
    load(block, tmp_path, name="documented")


def test_the_test_that_the_page_shows_passes(tmp_path: Path, own_modules: None) -> None:
    load(python_block("class Invoice"), tmp_path, name="acme_servants")
    module = load(python_block("from retinue.testing import run"), tmp_path, name="documented")
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


def test_the_first_servant_is_the_readme_s() -> None:
    assert python_block("class Invoice") in blocks(PAGES["README.md"], "python")


def test_the_entry_point_names_the_first_servant() -> None:
    (text,) = blocks(SERVANTS, "toml")
    entries = tomllib.loads(text)["project"]["entry-points"]["retinue.servants"]
    assert entries == {"invoice.send": "acme_servants:send_invoice"}
    assert '@servant("invoice.send"' in python_block("class Invoice")


@pytest.mark.parametrize("name", retinue.__all__)
def test_every_public_name_is_explained(name: str) -> None:
    assert re.search(rf"(?<![\w.]){name}(?!\w)", _code(SERVANTS))


def test_every_rule_of_a_servant_is_explained_with_its_name() -> None:
    rules = set(re.findall(r"^\| `(\w+)` \|.*\|.*\|$", SERVANTS.partition("## Payloads")[0], flags=re.MULTILINE))
    assert rules == set(ServantRules.__annotations__)


def test_every_setting_is_listed_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(RETINUE_\w+)` \| `?([^|`]*)`? \|", OPERATING, flags=re.MULTILINE))
    fields = Settings.model_fields
    assert told == {f"RETINUE_{name.upper()}": _words(field.default) for name, field in fields.items()}


def test_no_page_names_a_setting_that_is_not_there() -> None:
    known = {f"RETINUE_{name.upper()}" for name in Settings.model_fields}
    for_tests = {"RETINUE_TEST_DATABASE_URL", "RETINUE_TEST_POSTGRES_MAJOR"}
    for page, text in PAGES.items():
        assert set(re.findall(r"RETINUE_[A-Z_]*[A-Z]", text)) <= known | for_tests, page


def _words(default: Any) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, float):
        return f"{default:g}"
    return {"None": "not set", "{}": "one of each type"}.get(str(default), str(default))


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join(("retinue", *path, name))


COMMANDS = sorted(_commands(cli))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told(command: str) -> None:
    assert re.search(rf"`{command}[ `]", OPERATING)


def test_no_page_names_a_command_that_is_not_there() -> None:
    for page, text in PAGES.items():
        for told in re.findall(r"`retinue ([a-z][a-z -]*)", text):
            line = f"retinue {told.strip()}"
            assert any(line.startswith(command) or command.startswith(line) for command in COMMANDS), f"{page}: {line}"


def test_every_warning_and_error_that_is_logged_is_listed_and_no_other() -> None:
    section = OPERATING.partition("### Warnings and errors by name")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, flags=re.MULTILINE)
    assert sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == sorted(_logged_events())


def _logged_events() -> set[str]:
    paths = [path for folder in LOGGING for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    events = {event for node in nodes if isinstance(node, ast.Call) for event in _event_arguments(node)}
    assert {"job_rescued", "settle_failed", "messages_not_deleted", "queue_awaited"} <= events
    return events


def _event_arguments(call: ast.Call) -> Iterator[str]:
    """The event of a call that logs a warning or worse; some say it to a helper, as its first argument or by name."""
    called = ast.unparse(call.func)
    given: list[ast.expr] = []
    if re.fullmatch(r"log\.(warning|error|exception|critical)", called) or called == "patiently":
        given = call.args[:1]
    elif called.endswith("._tidy"):
        given = [keyword.value for keyword in call.keywords if keyword.arg == "event"]
    yield from (str(node.value) for node in given if isinstance(node, ast.Constant))


def test_every_anomaly_is_told() -> None:
    names = set(_anomalies())
    assert {"mailbox_drift", "calendar_unreadable"} <= names
    told = {name for page in PAGES.values() for name in re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)}
    assert names - told == set()


def _anomalies() -> Iterator[str]:
    for path in (ROOT / "servants").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("_job.anomaly"):
                yield from (str(given.value) for given in node.args[:1] if isinstance(given, ast.Constant))


def test_every_check_of_the_doctor_is_listed_and_no_other() -> None:
    section = OPERATING.partition("## What `retinue doctor` says")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w ]+)` \|", section, flags=re.MULTILINE)
    made = [
        re.findall(r"\b(?:ok|warning|failed|make)\(\s*\"([\w ]+)\"", path.read_text("utf-8"))
        for path in (ROOT / "infra/doctor").glob("*.py")
    ]
    assert sorted(listed) == sorted({name for names in made for name in names})


def test_the_policy_allows_what_is_asked_of_sqs_and_nothing_else() -> None:
    (text,) = blocks(OPERATING, "json")
    sources = "".join(
        path.read_text("utf-8") for path in [ROOT / "infra/queues/sqs.py", ROOT / "infra/doctor/queues.py"]
    )
    asked = set(re.findall(r"\b_?client\.(\w+)\(", sources)) - {"close"}
    # A batch is allowed by the action for one (Amazon SQS API permissions: actions and resource reference).
    actions = {f"sqs:{name.removesuffix('_batch').title().replace('_', '')}" for name in asked}
    assert set(json.loads(text)["Statement"][0]["Action"]) == actions


def test_every_exit_status_is_listed() -> None:
    section = OPERATING.partition("## Exit statuses")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", section, flags=re.MULTILINE) == ["0", "1", "2", "69", "70", "78"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / file if file else ROOT / page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked.read_text("utf-8")), target


@pytest.mark.parametrize("page", PAGES)
def test_paths_in_backticks_exist(page: str) -> None:
    for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", PAGES[page]):
        if path.split("/")[0] in TOP_FOLDERS:
            assert (ROOT / path).exists(), path


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def _code(text: str) -> str:
    """What stands in backticks or in Python blocks."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks(text, "python"), *re.findall(r"`([^`\n]+)`", prose)])
