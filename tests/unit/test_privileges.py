from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from infra.local.privileges import CANDIDATES, closed_to, own_directory, server_user
from retinue.errors import ConfigurationError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to leave behind")


def stranger() -> pwd.struct_passwd:
    """A user who owns nothing here."""
    return pwd.struct_passwd(("stranger", "x", 54321, 54321, "", "/", "/bin/sh"))


def test_closed_directories_are_named_outermost_first(tmp_path: Path) -> None:
    inner = tmp_path / "shut/open/data"
    inner.mkdir(parents=True)
    inner.chmod(0o700)
    (tmp_path / "shut").chmod(0o700)
    (tmp_path / "shut/open").chmod(0o755)
    closed = closed_to(stranger(), inner)
    assert [path for path in closed if path.is_relative_to(tmp_path / "shut")] == [tmp_path / "shut", inner]


def test_a_directory_above_needs_only_to_be_passed_through(tmp_path: Path) -> None:
    (tmp_path / "hall/room").mkdir(parents=True)
    (tmp_path / "hall").chmod(0o711)
    (tmp_path / "hall/room").chmod(0o755)
    closed = closed_to(stranger(), tmp_path / "hall/room")
    assert not [path for path in closed if path.is_relative_to(tmp_path / "hall")]


def test_the_owner_is_judged_by_the_owner_bits(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert tmp_path not in closed_to(pwd.getpwuid(tmp_path.stat().st_uid), tmp_path)


def test_an_own_directory_is_closed_to_others(tmp_path: Path) -> None:
    own_directory(tmp_path / "a/b", None)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


@needs_root
def test_root_runs_the_server_as_an_existing_user(tmp_path: Path) -> None:
    user = server_user(tmp_path / "new")
    assert user is not None
    assert user.pw_name in CANDIDATES


@needs_root
def test_the_owner_of_the_data_stays_its_user(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    user = server_user(tmp_path)
    assert user is not None
    assert user.pw_uid == 65534


@needs_root
def test_data_of_a_user_without_a_name_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54321)
    with pytest.raises(ConfigurationError, match="54321"):
        server_user(tmp_path)


def test_without_root_nobody_has_to_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_user(tmp_path) is None
