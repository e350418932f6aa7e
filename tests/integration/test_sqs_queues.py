"""What only SQS has: a wire that breaks, credentials, attributes, sockets."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError
from structlog.testing import capture_logs

from infra.queues.body import pack
from infra.queues.client import ATTEMPTS
from infra.queues.names import DEAD_SUFFIX
from infra.queues.sqs import SqsQueues, make_client
from infra.queues.transport import MAX_BATCH_BYTES, Message, QueueDepth, QueueOptions, QueueUnreachable
from infra.settings import load_settings
from tests.support.moto_server import REGION, MotoServer, aws_credentials, moto_server
from tests.support.postgres import free_port
from tests.support.queue_trials import SqsTrial
from tests.support.silent_server import SilentServer, silent_server, silent_tls_server

__all__ = ["aws_credentials", "moto_server"]

pytestmark = pytest.mark.usefixtures("aws_credentials")

TYPE = "calendar.sync"
SOON_SECONDS = 10
MESSAGE = Message(TYPE, (1,), "receipt", pack([1]), 1)

_numbers = itertools.count(1)

Use = Callable[[SqsQueues], object]

ASKING: dict[str, Use] = {
    "ensure": lambda queues: queues.ensure(TYPE),
    "send": lambda queues: queues.send(TYPE, [[1]]),
    "receive": lambda queues: queues.receive(TYPE, max_messages=1, wait_seconds=20),
    "reject": lambda queues: queues.reject(TYPE, MESSAGE, "odd"),
    "depth": lambda queues: queues.depth(TYPE),
}


@pytest.fixture
def trial(moto_server: MotoServer) -> Iterator[SqsTrial]:
    made = SqsTrial(moto_server, f"wire{next(_numbers)}", QueueOptions())
    yield made
    made.close()


class TestNoAnswer:
    @pytest.fixture
    def nowhere(self) -> Iterator[SqsQueues]:
        queues = queues_at(f"http://127.0.0.1:{free_port()}")
        yield queues
        queues.close()

    @pytest.mark.parametrize("use", ASKING.values(), ids=ASKING)
    def test_the_error_names_the_server_and_what_to_check(self, nowhere: SqsQueues, use: Use) -> None:
        with pytest.raises(QueueUnreachable, match=r"SQS at http://127\.0\.0\.1:\d+ .*RETINUE_SQS_ENDPOINT_URL"):
            use(nowhere)

    @pytest.mark.parametrize("action", ["delete", "release"])
    def test_what_may_be_left_undone_is_logged(self, nowhere: SqsQueues, action: str) -> None:
        with capture_logs() as logs:
            getattr(nowhere, action)(TYPE, [MESSAGE] * 11)
        assert [(line["event"], line["messages"]) for line in logs] == [(f"messages_not_{action}d", 11)]

    @pytest.mark.parametrize("use", ASKING.values(), ids=ASKING)
    def test_missing_credentials_are_said_to_be_missing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, use: Use
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        queues = queues_at("http://127.0.0.1:1")
        with pytest.raises(QueueUnreachable, match=r"Unable to locate credentials.*AWS_ACCESS_KEY_ID"):
            use(queues)
        queues.close()

    @pytest.mark.parametrize("use", ASKING.values(), ids=ASKING)
    def test_a_refusal_says_what_was_refused(self, trial: SqsTrial, use: Use) -> None:
        answer_with(trial, [refusal(403, "AccessDeniedException", "no rights")] * 5)
        with pytest.raises(QueueUnreachable, match=r"refused: .*AccessDeniedException.*no rights.*credentials"):
            use(trial.queues)

    def test_a_server_that_fails_once_is_asked_again_and_both_are_counted(self, trial: SqsTrial) -> None:
        trial.queues.ensure(TYPE)
        answer_with(trial, [refusal(503, "ServiceUnavailable", "later")])
        assert trial.queues.send(TYPE, [[1]]).sent_ids == (1,)
        assert trial.queues.calls["SendMessageBatch"] == 2

    def test_a_server_lost_halfway_leaves_the_rest_as_failed(self, trial: SqsTrial) -> None:
        trial.queues.ensure(TYPE)
        lost = EndpointConnectionError(endpoint_url=trial.server.url)
        answer_with(trial, [None, lost, lost, lost], action="SendMessageBatch")
        with capture_logs() as logs:
            result = trial.queues.send(TYPE, [[n] for n in range(1, 26)])
        assert result.sent_ids == tuple(range(1, 11))
        assert result.failed_ids == tuple(range(11, 26))
        assert [(line["event"], line["messages"]) for line in logs] == [("send_broken_off", 15)]


class TestAttributes:
    def test_a_queue_is_made_with_its_attributes(self, trial: SqsTrial) -> None:
        trial.queues.ensure(TYPE)
        own, dead = trial.attributes(TYPE), trial.attributes(TYPE, DEAD_SUFFIX)
        assert own["VisibilityTimeout"] == "30"
        assert own["ReceiveMessageWaitTimeSeconds"] == "20"
        assert own["MessageRetentionPeriod"] == str(4 * 24 * 3600)
        assert json.loads(own["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 20}
        assert dead["MessageRetentionPeriod"] == str(14 * 24 * 3600)

    def test_a_queue_with_other_attributes_is_brought_in_line(self, trial: SqsTrial) -> None:
        trial.queues.ensure(TYPE)
        trial.put(TYPE, pack([1]))
        wanted = trial.attributes(TYPE), trial.attributes(TYPE, DEAD_SUFFIX)
        for suffix in ("", DEAD_SUFFIX):
            other = {"VisibilityTimeout": "77", "MessageRetentionPeriod": "60"}
            trial.server.ask("SetQueueAttributes", QueueUrl=trial.url(TYPE) + suffix, Attributes=other)
        trial.queues.ensure(TYPE)
        now = trial.attributes(TYPE), trial.attributes(TYPE, DEAD_SUFFIX)
        for was, later in zip(wanted, now, strict=True):
            assert later["MessageRetentionPeriod"] == was["MessageRetentionPeriod"]
        assert now[0]["VisibilityTimeout"] == "30"
        assert now[0]["ApproximateNumberOfMessages"] == "1"

    def test_queues_that_stand_are_used_and_not_made(self, trial: SqsTrial) -> None:
        trial.queues.ensure(TYPE)
        another = SqsTrial(trial.server, trial.prefix, QueueOptions())
        another.queues.send(TYPE, [[1]])
        another.close()
        assert another.queues.calls == {"GetQueueUrl": 1, "SendMessageBatch": 1}


class TestInterrupting:
    """Against a server that surely has the request and surely will not answer."""

    @pytest.fixture(params=["http", "https"])
    def silent(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[SilentServer]:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
        with silent_server() if request.param == "http" else silent_tls_server(tmp_path) as server:
            yield server

    @pytest.mark.parametrize("end", ["interrupt", "close"])
    def test_a_receive_that_waits_ends_and_the_server_knows(self, silent: SilentServer, end: str) -> None:
        queues = queues_at(silent.url)
        with ThreadPoolExecutor() as pool:
            received = pool.submit(queues.receive, TYPE, max_messages=1, wait_seconds=20)
            assert silent.asked.acquire(timeout=SOON_SECONDS)
            getattr(queues, end)()
            assert received.result(SOON_SECONDS) == []
            assert silent.left.acquire(timeout=SOON_SECONDS)
        queues.close()

    def test_nothing_but_receives_is_ended(self, silent: SilentServer) -> None:
        queues = queues_at(silent.url)
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(queues.send, TYPE, [[1]])
            assert silent.asked.acquire(timeout=SOON_SECONDS)
            queues.interrupt()
            # It was not taken for an ended poll: it asks again, as often as it may.
            for _ in range(ATTEMPTS - 1):
                silent.hang_up()
                assert silent.asked.acquire(timeout=SOON_SECONDS)
            silent.hang_up()
            with pytest.raises(QueueUnreachable):
                sent.result(SOON_SECONDS)
        queues.close()

    def test_an_interrupt_between_two_receives_ends_the_next(self, silent: SilentServer) -> None:
        queues = queues_at(silent.url)
        queues.interrupt()
        assert queues.receive(TYPE, max_messages=1, wait_seconds=20) == []
        assert not silent.asked.acquire(blocking=False)
        queues.close()

    def test_an_interrupt_while_the_request_is_on_its_way_ends_it(self, silent: SilentServer) -> None:
        queues = queues_at(silent.url)
        on_its_way, interrupted = threading.Event(), threading.Event()

        def hold(**_: object) -> None:
            on_its_way.set()
            assert interrupted.wait(SOON_SECONDS)

        queues._client.meta.events.register("before-send.sqs", hold)
        with ThreadPoolExecutor() as pool:
            received = pool.submit(queues.receive, TYPE, max_messages=1, wait_seconds=20)
            assert on_its_way.wait(SOON_SECONDS)
            queues.interrupt()
            interrupted.set()
            assert received.result(SOON_SECONDS) == []
        queues.close()


def test_what_is_charged_is_told_by_type(trial: SqsTrial) -> None:
    trial.queues.ensure("other.type")
    before = dict(trial.queues.charged)
    trial.queues.send("other.type", [[1], [2]])
    # Ten messages of a thousand long IDs, 200 KB: each 64 KiB are charged as a request.
    trial.queues.send("other.type", [[2**63 - n - 1 for n in range(1000)]] * 10)
    assert trial.queues.charged["other.type", "SendMessageBatch"] == 1 + 4
    others = {key: count for key, count in trial.queues.charged.items() if key[0] != "other.type"}
    assert others == {key: count for key, count in before.items() if key[0] != "other.type"}


def test_the_largest_message_can_be_rejected(trial: SqsTrial) -> None:
    trial.queues.ensure(TYPE)
    trial.put(TYPE, "ä" * (MAX_BATCH_BYTES // 2))
    (message,) = trial.queues.receive(TYPE, max_messages=1, wait_seconds=20)
    trial.queues.reject(TYPE, message, "far too long")
    assert trial.queues.depth(TYPE) == QueueDepth(visible=0, in_flight=0, dead=1)
    ((body, reason),) = trial.dead_letters(TYPE)
    assert len(body.encode()) + len("far too long") < MAX_BATCH_BYTES
    assert (set(body), reason) == ({"ä"}, "far too long")


def test_the_settings_name_server_region_and_queues(moto_server: MotoServer) -> None:
    settings = load_settings(
        env_file=None, sqs_endpoint_url=moto_server.url, queue_prefix="mine", environment="far", aws_region="eu-west-1"
    )
    queues = SqsQueues.from_settings(settings)
    queues.ensure(TYPE)
    assert queues._client.meta.region_name == "eu-west-1"
    assert queues._urls == {TYPE: f"{moto_server.url}/123456789012/mine-far-calendar-sync"}
    queues.close()


def test_a_process_that_uses_queues_stays_small() -> None:
    program = (
        "import sys; from infra.queues.sqs import make_client; make_client('http://127.0.0.1:1', 'us-east-1');"
        "heavy = {'boto3', 's3transfer', 'moto', 'flask', 'sqlalchemy', 'cryptography'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - our own program


def queues_at(url: str) -> SqsQueues:
    return SqsQueues(make_client(url, REGION), prefix="retinue", environment="test")


def answer_with(trial: SqsTrial, answers: list[AWSResponse | Exception | None], *, action: str = "") -> None:
    """Answer the coming requests so; None lets one through to the server."""
    coming = iter(answers)

    def answer(**_: object) -> Any:
        said = next(coming, None)
        if isinstance(said, Exception):
            raise said
        return said

    event = f"before-send.sqs.{action}" if action else "before-send.sqs"
    trial.client.meta.events.register(event, answer)


def refusal(status: int, code: str, message: str) -> AWSResponse:
    """What SQS says when it refuses."""
    text = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    headers: Any = {"Content-Type": "application/x-amz-json-1.0"}
    return AWSResponse("", status, headers, _Raw(text))


class _Raw:
    def __init__(self, text: bytes) -> None:
        self._text = text

    def stream(self) -> Iterator[bytes]:
        yield self._text
