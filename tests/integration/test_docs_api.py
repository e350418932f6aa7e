"""What docs/api.md shows, sent with curl."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from infra.roles import Role
from manager.api.problems import PREFIX
from tests.support.api_site import ApiSite, api_site
from tests.support.docs import PAGES, blocks
from tests.support.manager_server import serving

__all__ = ["api_site"]

API = PAGES["docs/api.md"]


@pytest.fixture(scope="module")
def address(api_site: ApiSite) -> Iterator[str]:
    with serving(api_site.app) as address:
        yield address


@pytest.mark.parametrize("block", blocks(API, "sh"))
def test_every_example_runs(block: str, api_site: ApiSite, address: str) -> None:
    given = {"RETINUE": address, "TOKEN": api_site.tokens[Role.OPERATOR], "JOB": str(api_site.known["failed_id"])}
    shell = ["bash", "-euo", "pipefail", "-c", block]
    ran = subprocess.run(  # noqa: S603 - the page's own examples
        shell, env=os.environ | given, capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, (ran.stdout, ran.stderr)
    assert ran.stdout.startswith("{"), ran.stdout


def test_the_page_tells_of_every_resource(api_site: ApiSite) -> None:
    told = re.findall(r"^\| `/(\w+)` \|", API, flags=re.MULTILINE)
    assert {*told} == {path.removeprefix(PREFIX).split("/")[1] for path in api_site.get("/openapi.json")["paths"]}
