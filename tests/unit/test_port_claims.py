from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from infra.local.port_claims import claims_path, port_claims
from retinue.errors import ConfigurationError

CLAIMANT = """
import sys
from infra.local.port_claims import port_claims
with port_claims() as claims:
    print(claims.take(4321), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_one_start_has_a_port_until_it_ends() -> None:
    with port_claims() as second:
        with port_claims() as first:
            assert first.take(4321)
            assert not second.take(4321)
            assert second.take(4322)
        assert second.take(4321)


def test_a_claim_holds_across_processes_and_dies_with_its_own() -> None:
    with (
        subprocess.Popen(  # noqa: S603 - this interpreter and the program above
            [sys.executable, "-c", CLAIMANT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        port_claims() as claims,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not claims.take(4321)
        other.kill()
        other.wait(10)
        assert claims.take(4321)


def test_a_process_that_the_start_leaves_behind_does_not_keep_its_claims() -> None:
    with port_claims() as claims:
        claims.take(4321)
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    with child, port_claims() as claims:
        assert claims.take(4321)
        child.kill()


def test_claims_are_for_this_user_alone() -> None:
    with port_claims() as claims:
        claims.take(4321)
    assert claims_path().stat().st_mode & 0o777 == 0o700
    assert (claims_path() / "4321").stat().st_mode & 0o777 == 0o600


def test_a_link_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    claims_path().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=f"Ports cannot be claimed in {claims_path()}"), port_claims():
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_that_others_may_enter_is_refused() -> None:
    claims_path().mkdir()
    claims_path().chmod(0o755)
    with pytest.raises(ConfigurationError, match="is not this user's alone: remove it"), port_claims():
        pass


def test_a_link_in_place_of_a_claim_is_not_followed(tmp_path: Path) -> None:
    with port_claims() as claims:
        (claims_path() / "4321").symlink_to(tmp_path / "target")
        with pytest.raises(OSError, match="symbolic links"):
            claims.take(4321)
    assert not (tmp_path / "target").exists()
