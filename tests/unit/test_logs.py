from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
import timeit
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, SecretStr, ValidationError

from infra.logs import LineWriter, bind_context, configure_logs, get_logger
from infra.redaction import mask_text, redact
from retinue.payload import Payload, Sensitive

ROOT = Path(__file__).parents[2]
HIDDEN = "hunter2"

log = get_logger("tests.logs")


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    configure_logs("console", "debug")
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = lines(stream)
    return line


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


class Colour(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    password: str


@dataclass
class Handle:
    name: str
    api_key: str
    material: bytes = field(repr=False)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Note(BaseModel):
    title: str
    body: Annotated[str, Sensitive()]
    maybe: Annotated[str, Sensitive()] | None = None
    several: list[Annotated[str, Sensitive()]] = []
    bare: Annotated[str, Sensitive] = ""


class Folder(BaseModel):
    notes: list[Note]
    by_name: dict[str, Note]
    secret: SecretStr
    access_token: str


class TestJson:
    def test_is_an_event_in_logstashs_format(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        before = datetime.now(UTC)

        log.info("job_settled", job=7, seconds=0.25, outcome=None, ok=True)

        line = only_line(stream)
        stamp = line.pop("@timestamp")
        assert line == {
            "@version": "1",
            "message": "job_settled",
            "level": "INFO",
            "logger_name": "tests.logs",
            "thread_name": threading.current_thread().name,
            "job": 7,
            "seconds": 0.25,
            "outcome": None,
            "ok": True,
        }
        assert len(stamp) == len("2026-11-21T00:00:00.000Z")
        assert stamp.endswith("Z")
        assert abs((datetime.fromisoformat(stamp) - before).total_seconds()) < 5

    def test_a_field_cannot_take_the_place_of_one_of_the_formats(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        log.info("real", message="false", thread_name="false")
        line = only_line(stream)
        assert (line["message"], line["message_"]) == ("real", "false")
        assert (line["thread_name"], line["thread_name_"]) == (threading.current_thread().name, "false")

    def test_one_event_is_one_line(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        log.info("a\nb", text="c\nd\u2028", odd="\ud800")
        assert stream.getvalue().count("\n") == 1
        assert only_line(stream)["text"] == "c\nd\u2028"

    def test_an_exception_is_a_stack_trace(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        try:
            raise KeyError("lost")
        except KeyError:
            log.exception("pass_failed")
        line = only_line(stream)
        assert line["level"] == "ERROR"
        assert line["stack_trace"].startswith("Traceback (most recent call last):")
        assert line["stack_trace"].endswith("KeyError: 'lost'")

    def test_plain_values_of_many_kinds(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        log.info(
            "kinds",
            when=datetime(2026, 11, 20, 12, tzinfo=UTC),
            path=Path("/a/b"),
            number=Decimal("1.50"),
            id=UUID(int=1),
            colour=Colour.RED,
            items=({1: "one"}, frozenset({2})),
            nan=float("nan"),
            raw=b"\x00\x01",
            error=ValueError("bad"),
            broken=Unprintable(),
        )
        line = only_line(stream)
        assert line["when"] == "2026-11-20T12:00:00+00:00"
        assert (line["path"], line["number"], line["colour"]) == ("/a/b", "1.50", "red")
        assert line["items"] == [{"1": "one"}, [2]]
        assert (line["nan"], line["raw"], line["error"]) == ("nan", "<2 bytes>", "bad")
        assert line["broken"] == "<Unprintable that cannot be shown: RuntimeError>"

    def test_what_contains_itself_ends(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        endless: list[object] = []
        endless.append(endless)
        log.info("endless", endless=endless)
        assert "…" in json.dumps(only_line(stream), ensure_ascii=False)


class TestConsole:
    def test_shows_event_logger_and_fields(self, stream: io.StringIO) -> None:
        configure_logs("console", "info", stream=stream)
        log.warning("job_settled", job=7, password=HIDDEN)
        text = stream.getvalue()
        assert "\x1b" not in text
        assert all(part in text for part in ("[warning", "job_settled", "[tests.logs]", "job=7", "password=***"))

    def test_has_colours_on_a_terminal_only(self) -> None:
        terminal = Tty()
        configure_logs("console", "info", stream=terminal)
        log.info("hello")
        assert "\x1b[" in terminal.getvalue()

    def test_an_exception_shows_no_secret(self, stream: io.StringIO) -> None:
        configure_logs("console", "info", stream=stream)
        try:
            raise ValueError(f"postgresql://u:{HIDDEN}@h/db refused")
        except ValueError:
            log.exception("pass_failed")
        assert "postgresql://u:***@h/db refused" in stream.getvalue()
        assert HIDDEN not in stream.getvalue()


class TestConfiguration:
    def test_a_logger_that_was_used_follows_a_new_configuration(self) -> None:
        first, second = io.StringIO(), io.StringIO()
        configure_logs("json", "warning", stream=first)
        log.info("dropped")
        log.warning("to_first")
        configure_logs("json", "info", stream=second)
        log.info("to_second")
        assert [line["message"] for line in lines(first)] == ["to_first"]
        assert [line["message"] for line in lines(second)] == ["to_second"]

    def test_the_same_name_is_the_same_logger(self) -> None:
        assert get_logger("tests.logs") is log

    def test_before_any_configuration_no_secret_is_shown_either(self) -> None:
        script = (
            "from infra.logs import get_logger\n"
            "def fail(secret):\n"
            "    raise ValueError('password=hunter2')\n"
            "try:\n"
            "    fail('hunter' + '2')\n"
            "except ValueError:\n"
            "    get_logger('early').exception('failed', token='hunter2')\n"
        )
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - own script
        assert "ValueError: password=***" in run.stderr
        assert HIDDEN not in run.stderr.replace("'hunter' + '2'", "").replace(
            "raise ValueError('password=hunter2')", ""
        )

    def test_structlogs_own_way_to_capture_works(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        log.info("before")
        with structlog.testing.capture_logs() as captured:
            log.info("during", job=1)
        assert captured == [{"event": "during", "job": 1, "log_level": "info", "logger_name": "tests.logs"}]
        assert [line["message"] for line in lines(stream)] == ["before"]

    def test_a_call_below_the_level_costs_next_to_nothing(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        dropped = min(timeit.repeat(lambda: log.debug("x", job=1), number=2000, repeat=5))
        written = min(timeit.repeat(lambda: log.info("x", job=1), number=200, repeat=5)) * 10
        assert dropped * 10 < written

    def test_a_stream_that_is_gone_does_not_stop_the_work(self) -> None:
        gone = io.StringIO()
        gone.close()
        writer = LineWriter(gone)
        writer.info("one")
        writer.error("two")
        assert writer.lost == 2

    def test_lines_of_many_threads_stay_whole(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        start = threading.Barrier(4)

        def work(number: int) -> None:
            start.wait(5)
            for _ in range(50):
                log.info("from_structlog", number=number, padding="x" * 500)
                logging.getLogger("tests.standard").warning("from_standard")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(lines(stream)) == 400


class TestStandardLibrary:
    def test_goes_through_the_same_steps(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        with bind_context(servant="s1"):
            logging.getLogger("waitress").info("at %s", f"http://u:{HIDDEN}@h", extra={"token": HIDDEN, "port": 8600})
        line = only_line(stream)
        assert (line["message"], line["level"], line["logger_name"]) == ("at http://u:***@h", "INFO", "waitress")
        assert (line["servant"], line["token"], line["port"]) == ("s1", "***", 8600)

    def test_tells_exceptions(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        try:
            raise ValueError(f"password={HIDDEN}")
        except ValueError:
            logging.getLogger("alembic").exception("bad")
        assert only_line(stream)["stack_trace"].endswith("ValueError: password=***")

    def test_a_record_that_cannot_be_formatted_does_not_raise(
        self, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logging, "raiseExceptions", False)
        configure_logs("json", "info", stream=stream)
        logging.getLogger("x").warning("%d", "no number")
        logging.getLogger("x").warning("next")
        assert only_line(stream)["message"] == "next"

    def test_is_configured_once_however_often(self, stream: io.StringIO) -> None:
        for _ in range(3):
            configure_logs("json", "info", stream=stream)
        logging.getLogger("x").warning("once")
        assert len(lines(stream)) == 1

    @pytest.mark.parametrize("level", ["debug", "info"])
    def test_requests_of_libraries_are_not_told(self, stream: io.StringIO, level: Any) -> None:
        configure_logs("json", level, stream=stream)
        logging.getLogger("botocore.endpoint").debug("headers")
        logging.getLogger("urllib3.connectionpool").info("GET /")
        logging.getLogger("apscheduler.scheduler").info("Running job")
        logging.getLogger("botocore").warning("heed this")
        assert only_line(stream)["message"] == "heed this"


class TestContext:
    def test_every_line_inside_carries_what_is_bound(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        with bind_context(servant="s1", account=3):
            with bind_context(job=7, attempt=1, account=None):
                log.info("inner")
            log.info("outer")
        log.info("outside")
        inner, outer, outside = lines(stream)
        assert {key: inner.get(key) for key in ("servant", "account", "job", "attempt")} == {
            "servant": "s1",
            "account": 3,
            "job": 7,
            "attempt": 1,
        }
        assert (outer["account"], "job" in outer) == (3, False)
        assert "servant" not in outside

    def test_ends_when_the_work_raises(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        with pytest.raises(ValueError, match="bad"), bind_context(job=7):
            raise ValueError("bad")
        log.info("after")
        assert "job" not in only_line(stream)

    def test_is_the_threads_own(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        with bind_context(job=7):
            thread = threading.Thread(target=lambda: log.info("elsewhere"))
            thread.start()
            thread.join(5)
        assert "job" not in only_line(stream)


class TestSecrets:
    @pytest.mark.parametrize(
        "name",
        [
            "password",
            "db_password",
            "passwd",
            "passphrase",
            "pwd",
            "client_secret",
            "secret",
            "token",
            "accessToken",
            "Authorization",
            "proxy-authorization",
            "credential",
            "credentials",
            "Set-Cookie",
            "cookie",
            "api_key",
            "apiKey",
            "X-API-Key",
            "private_key",
            "key_material",
            "aws_secret_access_key",
        ],
    )
    def test_a_field_with_a_secrets_name_is_masked_at_any_depth(self, name: str, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        log.info("x", **{name: HIDDEN})
        log.info("x", deep=[{"a": ({name: HIDDEN},)}], listed={name: [HIDDEN, {"b": HIDDEN}]})
        shallow, deep = lines(stream)
        assert shallow[name] == "***"
        assert deep["deep"] == [{"a": [{name: "***"}]}]
        assert HIDDEN not in stream.getvalue()

    def test_what_is_no_secret_is_shown(self) -> None:
        shown = {"job": 1, "key_id": "k1", "sync_token": "http://h/7", "has_password": True, "token": None}
        assert redact(shown) == shown

    @pytest.mark.parametrize(
        "text",
        [
            f"https://u:{HIDDEN}@h/path",
            f"see <https://u:{HIDDEN}@h> and postgresql+psycopg://u:{HIDDEN}@h:5432/db?x=1.",
            f"postgresql://u:a@{HIDDEN}@h/db",
            f"postgresql://u:a/{HIDDEN}@h/db",
            f"redis://:{HIDDEN}@h",
            f"host=h password={HIDDEN} user=u",
            f"password='{HIDDEN} and more' user=u",
            f"password='it\\'s {HIDDEN}' user=u",
            f'{{"a": 1, "api_key": "{HIDDEN}"}}',
            f"{{'token': '{HIDDEN}'}}",
            f'{{\\"token\\": \\"{HIDDEN}\\"}}',
            f"GET /x?access_token={HIDDEN}&page=2",
            f"Authorization: Basic {HIDDEN}",
            f"Authorization: Bearer {HIDDEN}{HIDDEN}",
            f"sent Bearer {HIDDEN}{HIDDEN}",
            f"Set-Cookie: session={HIDDEN}; Path=/",
            f"KeyError: b'{HIDDEN}'",
            f"Handle(api_key='{HIDDEN}')",
            f"input_value='{HIDDEN}', input_type=str",
        ],
    )
    def test_is_masked_inside_a_text(self, text: str) -> None:
        masked = mask_text(text)
        assert HIDDEN not in masked
        assert masked != text
        assert len(masked) > len("***")

    @pytest.mark.parametrize(
        "piece", ["input_value=", "postgres://a:", "x://a:", "password='", "token=b'", 'cookie: "']
    )
    def test_is_sought_in_time_that_grows_with_the_text(self, piece: str) -> None:
        few, many = (self.seconds(piece * count) for count in (2_000, 20_000))
        assert many < 40 * few + 0.05

    def seconds(self, text: str) -> float:
        """What masking takes, at best."""
        times = []
        for _ in range(3):
            began = time.thread_time()
            mask_text(text)
            times.append(time.thread_time() - began)
        return min(times)

    @pytest.mark.parametrize(
        "text",
        [
            "https://cal.example:8443/dav/user@example.com/",
            "mail to user@example.com: sent",
            "http://h:80/a?b=c",
            "the token has expired",
            "sync_token=http://h/7",
            "job=7 attempt=1 key=k1",
        ],
    )
    def test_leaves_other_texts_alone(self, text: str) -> None:
        assert mask_text(text) == text

    def test_is_masked_in_the_event_itself_and_in_exceptions(self, stream: io.StringIO) -> None:
        configure_logs("json", "info", stream=stream)
        try:
            try:
                raise ConnectionError(f"https://u:{HIDDEN}@h")
            except ConnectionError as error:
                raise RuntimeError(f"password={HIDDEN}") from error
        except RuntimeError as error:
            log.exception(f"failed at https://u:{HIDDEN}@h", error=error, errors=[error])
        assert HIDDEN not in stream.getvalue()
        assert "RuntimeError: password=***" in only_line(stream)["stack_trace"]

    def test_sensitive_fields_of_payloads_are_masked_wherever_the_model_stands(self) -> None:
        note = Note(title="shown", body=HIDDEN, maybe=HIDDEN, several=[HIDDEN], bare=HIDDEN)
        folder = Folder(notes=[note], by_name={"a": note}, secret=SecretStr(HIDDEN), access_token=HIDDEN)
        masked = {"title": "shown", "body": "***", "maybe": "***", "several": "***", "bare": "***"}
        assert redact([folder]) == [
            {"notes": [masked], "by_name": {"a": masked}, "secret": "***", "access_token": "***"}
        ]
        assert redact(RootModel[list[Note]]([note])) == {"root": [masked]}

    def test_what_pydantic_quotes_of_a_payload_is_masked(self, stream: io.StringIO) -> None:
        class Strict(Payload):
            body: Annotated[int, Sensitive()]

        configure_logs("json", "info", stream=stream)
        try:
            Strict.model_validate({"body": HIDDEN})
        except ValidationError as error:
            log.exception("bad", error=error)
        assert "input_value=***, input_type=str" in only_line(stream)["error"]
        assert HIDDEN not in stream.getvalue()

    def test_named_tuples_and_dataclasses_have_named_fields(self) -> None:
        handle = Handle(name="a", api_key=HIDDEN, material=HIDDEN.encode())
        assert redact(Point(x=1, password=HIDDEN)) == {"x": 1, "password": "***"}
        assert redact(handle) == {"name": "a", "api_key": "***"}

    @pytest.mark.parametrize("raw", [HIDDEN.encode(), bytearray(HIDDEN.encode()), memoryview(HIDDEN.encode())])
    def test_bytes_are_told_by_their_length(self, raw: object) -> None:
        assert redact({"raw": [raw]}) == {"raw": ["<7 bytes>"]}

    @settings(max_examples=30, deadline=None)
    @given(
        st.recursive(
            st.just(HIDDEN),
            lambda inner: st.one_of(
                st.lists(inner, min_size=1, max_size=3),
                st.dictionaries(st.text(max_size=5), inner, min_size=1, max_size=3),
                st.tuples(inner, inner),
            ),
            max_leaves=8,
        )
    )
    def test_nothing_under_a_secrets_name_is_shown_whatever_its_shape(self, value: object) -> None:
        assert HIDDEN not in json.dumps(redact({"a": [{"password": value}]}))

    @settings(max_examples=50, deadline=None)
    @given(
        st.text(alphabet=st.characters(exclude_characters="@/ \t\n\r'\"<>", exclude_categories=["Z", "C"]), min_size=1)
    )
    def test_no_password_of_a_url_is_shown(self, password: str) -> None:
        assert mask_text(f"at https://user:{password}@host/path") == "at https://user:***@host/path"
