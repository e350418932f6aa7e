"""Requests to the sandbox org that go wrong on demand, over a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests
from waitress.server import create_server
from waitress.wasyncore import close_all

from infra.local.salesforce.faults import Fault, Faults, FaultyApp

BODY = b'{"totalSize": 1, "done": true, "records": [{"Id": "001"}]}' * 100


def answering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An application that always answers the same."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def pauses() -> list[float]:
    """How long the application paused, each time; it never does."""
    return []


@pytest.fixture
def url(faults: Faults, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    sockets: dict[int, Any] = {}
    server = create_server(FaultyApp(answering, faults, pause=pauses.append), map=sockets, host="127.0.0.1", port=0)
    monkeypatch.setattr(server.logger, "disabled", True)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(lambda: close_all(sockets))  # by the thread that selects on them
    thread.join(timeout=10)
    server.task_dispatcher.shutdown()
    assert not thread.is_alive()


def test_only_so_many_requests_that_match_go_wrong(url: str, faults: Faults) -> None:
    faults.add(Fault("^GET /services/data/v62.0/query", times=2, status=503, body="[]", headers={"Retry-After": "3"}))
    query = f"{url}/services/data/v62.0/query?q=x"
    answers = [requests.get(address, timeout=10) for address in (f"{url}/other", query, query, query)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert (answers[1].headers["Retry-After"], answers[1].content) == ("3", b"[]")
    assert faults.taken == {"answer": 2}
    assert faults.waiting == ()


def test_faults_happen_in_the_order_they_were_asked_for(url: str, faults: Faults) -> None:
    faults.add(Fault("/a", status=420))
    faults.add(Fault("GET", status=406))
    assert [requests.get(f"{url}/{path}", timeout=10).status_code for path in "aab"] == [420, 406, 200]


def test_an_answer_is_cut_off(url: str, faults: Faults) -> None:
    faults.add(Fault("/", "cut"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)
    assert requests.get(url, timeout=10).content == BODY


def test_an_answer_is_garbage_or_a_page(url: str, faults: Faults) -> None:
    faults.add(Fault("/", "garbage"))
    faults.add(Fault("/", "login_page"))
    garbage, page = (requests.get(url, timeout=10) for _ in range(2))
    with pytest.raises(requests.exceptions.JSONDecodeError):
        garbage.json()
    assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "Login" in page.text


def test_an_answer_is_slow(url: str, faults: Faults, pauses: list[float]) -> None:
    faults.add(Fault("/", "slow", seconds=7))
    assert requests.get(url, timeout=10).content == BODY
    assert pauses == [7]


def test_the_orgs_own_controls_never_go_wrong(url: str, faults: Faults) -> None:
    faults.add(Fault(""))
    assert requests.get(f"{url}/sandbox/clock", timeout=10).status_code == 200
    assert faults.taken == {}
    faults.clear()
    assert requests.get(url, timeout=10).status_code == 200


@pytest.mark.parametrize(("match", "kind"), [("(", "answer"), ("", "nothing")])
def test_a_fault_that_makes_no_sense_is_refused(match: str, kind: str) -> None:
    with pytest.raises(Exception, match=r"unterminated|one of"):
        Fault(match, kind)
