"""Logs: one event per line, for people (console) or for shippers (JSON in Logstash's event format).

Standard library loggers go through the same steps, so every line of a process has one shape and no line shows a secret:

    configure_logs("json", "info")
    log = get_logger(__name__)
    with bind_context(job=7, attempt=1):
        log.info("job_settled", outcome="completed")

The JSON fields are those of logstash-logback-encoder (https://github.com/logfellow/logstash-logback-encoder#standard-fields):
`@timestamp`, `@version`, `message`, `level`, `logger_name`, `thread_name`, `stack_trace`, then the event's own.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars
from structlog.processors import add_log_level, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.types import FilteringBoundLogger, Processor

from infra.log_lines import keep_line
from infra.redaction import redact_field

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Event = MutableMapping[str, Any]

# Libraries that tell every request or run at info, and whole requests with their credentials at debug.
_TALKATIVE = ("apscheduler", "boto3", "botocore", "s3transfer", "urllib3")
_RESERVED = frozenset({"@timestamp", "@version", "message", "thread_name"})

_METHODS = ("debug", "info", "warning", "error", "exception", "critical", "log", "bind")

_loggers: dict[str, _Logger] = {}
_lock = threading.Lock()
_FIRST_STEPS: tuple[Processor, ...] = (merge_contextvars, add_log_level)


def configure_logs(log_format: LogFormat, level: LogLevel, *, stream: TextIO | None = None) -> None:
    """Send all logs of this process from `level` on to `stream` (standard error unless given), one line each.

    May be called again: loggers from `get_logger` follow, loggers already bound with `.bind()` keep what they had.
    """
    writer = LineWriter(stream)
    with _lock:
        _configure_structlog(writer, level, _last_steps(log_format, writer))
        _configure_standard_library(writer, level, _last_steps(log_format, writer))


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger whose lines carry `logger_name=name`; a call below the configured level costs next to nothing."""
    with _lock:
        if name not in _loggers:
            _loggers[name] = _Logger(name)
        return cast(FilteringBoundLogger, _loggers[name])


class _Logger:
    """Holds the methods of the logger that the configuration makes, and takes new ones when that changes.

    The methods are the instance's own attributes, so a call goes straight to them: structlog's lazy proxy, which
    also could wait for the configuration, assembles or looks up its logger at every call.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.follow_configuration()

    def follow_configuration(self) -> None:
        bound = structlog.get_logger(logger_name=self._name).bind()
        vars(self).update({method: getattr(bound, method) for method in _METHODS})


@contextmanager
def bind_context(
    *,
    request: str | None = None,
    account: int | str | None = None,
    job: int | str | None = None,
    attempt: int | None = None,
    servant: int | str | None = None,
) -> Iterator[None]:
    """Every line logged inside, in this thread or task, carries those of these that are given."""
    given = {"request": request, "account": account, "job": job, "attempt": attempt, "servant": servant}
    with bound_contextvars(**{key: value for key, value in given.items() if value is not None}):
        yield


def enter_context(**values: str | int | None) -> None:
    """Set the same keys for this thread until they are set again; a value of None clears its key.

    For a thread that goes from job to job and sets all of them each time: a third of the cost of `bind_context`.
    """
    # structlog's mark for a key that is not bound is the ellipsis.
    bind_contextvars(**{key: ... if value is None else value for key, value in values.items()})


class LineWriter:
    """Writes whole lines, one at a time, to a stream or to whatever standard error is at the moment.

    A stream that is gone (the reader of the pipe ended) must not take the work down with it: its lines are counted.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._given = stream
        self._lock = threading.Lock()
        self.lost = 0

    @property
    def _stream(self) -> TextIO:
        return self._given or sys.stderr

    @property
    def colours(self) -> bool:
        """Whether a person looks at it."""
        return self._stream.isatty()

    def msg(self, line: str) -> None:
        """Write `line` and its end."""
        with self._lock:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: the stream was closed
                self.lost += 1

    debug = info = warning = error = critical = msg


class _StandardHandler(logging.Handler):
    """Hands the standard library's records to the writer that all lines go through."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.msg(self.format(record))
        except Exception:  # noqa: BLE001 - the standard library's contract: report it, never raise to who logged
            self.handleError(record)


def _configure_structlog(writer: LineWriter, level: LogLevel, last: list[Processor]) -> None:
    structlog.configure(
        processors=[*_FIRST_STEPS, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
    )
    for logger in _loggers.values():
        logger.follow_configuration()


def _configure_standard_library(writer: LineWriter, level: LogLevel, last: list[Processor]) -> None:
    handler = _StandardHandler(writer)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*_FIRST_STEPS, _add_record_name, ExtraAdder()],
            processors=[ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known, _StandardHandler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _add_record_name(_logger: object, _method: str, event: Event) -> Event:
    event["logger_name"] = event["_record"].name
    return event


def _redact_event(_logger: object, _method: str, event: Event) -> Event:
    return {name: redact_field(name, value) for name, value in event.items()}


def _last_steps(log_format: LogFormat, writer: LineWriter) -> list[Processor]:
    steps: list[Processor] = [format_exc_info, _redact_event, keep_line]
    if log_format == "json":
        return [*steps, _render_logstash]
    return [
        *steps,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=writer.colours, exception_formatter=structlog.dev.plain_traceback),
    ]


def _render_logstash(_logger: object, _method: str, event: Event) -> str:
    line = {
        "@timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "@version": "1",
        "message": event.pop("event", ""),
        "level": event.pop("level").upper(),
        "logger_name": event.pop("logger_name", ""),
        "thread_name": threading.current_thread().name,
    }
    if "exception" in event:
        line["stack_trace"] = event.pop("exception")
    for name, value in event.items():
        line[f"{name}_" if name in _RESERVED else name] = value
    return json.dumps(line)


# structlog's own default prints the variables of every frame of an exception: nothing is to be logged that way, however
# early.
_early_writer = LineWriter()
_configure_structlog(_early_writer, "info", _last_steps("console", _early_writer))
