"""The documentation's pages, and the blocks of code in them."""

from __future__ import annotations

import re
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
}

SERVANTS = PAGES["docs/writing_servants.md"]
OPERATING = PAGES["docs/operating.md"]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def python_block(mention: str) -> str:
    """The one Python block of the page on servants that holds `mention`."""
    (found,) = [block for block in blocks(SERVANTS, "python") if mention in block]
    return found


def load(source: str, folder: Path, *, name: str) -> ModuleType:
    """`source` as the module `name`, written to a file in `folder`; the caller removes it from `sys.modules`."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
