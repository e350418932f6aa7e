"""Takes the vendored files anew from the npm packages that `package-lock.json` names.

    python -m manager.npm            the locked versions
    python -m manager.npm --update   lock what `package.json` names first

A new file gets a line in `files.json`, with the place it comes from; the digests are written here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
FILES = HERE / "files.json"
_NAMED = ("package.json", "package-lock.json")


def main(arguments: list[str]) -> None:
    """Fetch the packages into a directory that is gone afterwards, and copy what `files.json` lists."""
    with tempfile.TemporaryDirectory(prefix="retinue-npm-") as directory:
        _install(Path(directory), update="--update" in arguments)
        listed = json.loads(FILES.read_text("utf-8"))
        for name, entry in listed.items():
            entry["integrity"] = _copy(Path(directory, "node_modules", entry["from"]), REPOSITORY / name)
        FILES.write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
    print(f"{len(listed)} files are those of the packages.")  # noqa: T201 - what whoever ran it waits for


def integrity(file: Path) -> str:
    """The file's SHA-512, written as npm writes a package's."""
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


def _install(directory: Path, *, update: bool) -> None:
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed.")
    for name in _NAMED:
        if not (update and name == "package-lock.json"):
            shutil.copy(HERE / name, directory / name)
    # The lock names no place: whoever fetches has his own, and the digests say whether it is the same.
    command = [npm, "install" if update else "ci", "--ignore-scripts", "--omit-lockfile-registry-resolved"]
    subprocess.run([*command, "--no-audit", "--no-fund"], cwd=directory, check=True)  # noqa: S603 - npm, with our lock
    if update:
        shutil.copy(directory / "package-lock.json", HERE)


def _copy(source: Path, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return integrity(target)


if __name__ == "__main__":
    main(sys.argv[1:])
