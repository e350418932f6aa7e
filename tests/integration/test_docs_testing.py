"""The page on testing: its blocks are the files they say they are, and pytest passes on them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from retinue import testing
from retinue.testing import Drained, Faults, Ran
from retinue.testing.inline import Circumstances
from tests.support.docs import PAGES, ROOT, blocks, python_block

PAGE = PAGES["docs/testing_servants.md"]
FILES = {re.match(r"# (\w+\.py)\n", block)[1]: block for block in blocks(PAGE, "python")}  # type: ignore[index] # each begins so


@pytest.mark.timeout(180)
def test_what_the_page_shows_passes(tmp_path: Path) -> None:
    (tmp_path / "acme_servants.py").write_text(python_block("class Invoice"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", f"--rootdir={tmp_path}"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - pytest on our own page
    assert done.returncode == 0, done.stdout + done.stderr
    shown = sum(text.count("def test_") for text in FILES.values())
    assert f"{shown} passed" in done.stdout


def test_the_first_test_is_short() -> None:
    lines = [line for line in FILES["test_invoices.py"].splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 10


def told(header: str) -> set[str]:
    """The names in the first column of the table that begins with this header."""
    table = PAGE.partition(f"| {header} |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`[^|]*`) \|", table, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_everything_there_is_is_told() -> None:
    assert told("argument") == set(Circumstances.__annotations__)
    assert told("attribute") == {name for name in dir(Ran) if not name.startswith("_")} - {"again"}
    assert told("fault") | {"delay_seconds"} == set(Faults.__dataclass_fields__)
    for name in (*Drained.__dataclass_fields__, *testing.__all__):
        assert re.search(rf"\b{name}\b", PAGE) or name in {"Anomaly", "Committed", "Statement", "Ran"}, name
