from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.keys import read_key_file
from infra.local.layout import MAX_SOCKET_PATH_BYTES, Layout, keep_previous_logs, prepare, prepare_socket
from retinue.errors import ConfigurationError


class Usage(NamedTuple):
    free: int


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "data")


def test_secrets_are_made_once_and_are_their_owners_alone(layout: Layout) -> None:
    prepare(layout)
    files = (layout.manager_password, layout.postgres_password, layout.secret_keys)
    first = [path.read_text() for path in files]
    prepare(layout)
    assert [path.read_text() for path in files] == first
    assert len(set(first)) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert len(read_key_file(layout.secret_keys)) == 1


def test_others_cannot_list_the_directory(layout: Layout) -> None:
    prepare(layout)
    assert layout.root.stat().st_mode & 0o066 == 0


def test_the_socket_lies_in_the_directory_when_its_path_fits(tmp_path: Path) -> None:
    short = Layout(Path("/srv/data"))
    assert short.socket == Path("/srv/data/run/supervisor.sock")
    long = Layout(tmp_path / ("x" * 100))
    assert len(os.fsencode(long.socket)) <= MAX_SOCKET_PATH_BYTES
    assert long.socket == Layout(tmp_path / ("x" * 100)).socket
    assert long.socket != Layout(tmp_path / ("x" * 101)).socket


def test_a_socket_directory_that_others_may_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    layout = Layout(tmp_path / ("x" * 100))
    layout.socket.parent.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="is not this user's alone"):
        prepare_socket(layout)


def test_a_full_disk_is_named(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=0))
    with pytest.raises(ConfigurationError, match=r"Less than 100 MiB are free .*Free some space"):
        prepare(layout)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file/data cannot be used: Not a directory .*RETINUE_DATA_DIR"):
        prepare(Layout(tmp_path / "file/data"))


def test_the_logs_of_the_last_run_are_kept_once(layout: Layout) -> None:
    prepare(layout)
    log = layout.logs / "sqs.log"
    (layout.logs / "sqs.log.1").write_text("rotated")
    for text in ("first", "second"):
        log.write_text(text)
        keep_previous_logs(layout)
    assert {path.name: path.read_text() for path in layout.logs.iterdir()} == {"sqs.log.previous": "second"}
