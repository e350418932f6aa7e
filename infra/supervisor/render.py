"""The text of a supervisord configuration (supervisord.org/configuration.html)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.supervisor.exits import CONFIGURATION_EXIT_CODE
from infra.supervisor.programs import Program
from retinue.errors import ConfigurationError

_LOG_BYTES = "10MB"
_LOG_BACKUPS = 3

#: Events kept for a listener that is still busy with an earlier one; beyond that supervisord drops the oldest.
_EVENT_BUFFER = 1000

#: A space before one of these begins a comment for supervisord's parser, in quotes or not.
_COMMENT_AFTER_SPACE = re.compile(r"(?<=\s)(?=[;#])")

#: supervisord's `environment=` has no escape for these.
_UNQUOTABLE = re.compile(r'["\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class Place:
    """Where supervisord keeps its socket, pid and logs.

    With an `environment_file`, a shell file of NAME=value lines, programs read their settings from it as they start; so
    the configuration holds no secret. Without one they inherit supervisord's environment.
    """

    socket: Path
    pidfile: Path
    log_dir: Path
    environment_file: Path | None = None


PRODUCTION = Place(
    socket=Path("/run/retinue/supervisor.sock"),
    pidfile=Path("/run/retinue/supervisord.pid"),
    log_dir=Path("/var/log/retinue"),
    environment_file=Path("/etc/retinue/retinue.env"),
)


def render_supervisord(programs: Iterable[Program], place: Place, *, autostart: bool = True) -> str:
    """The configuration for these programs; without `autostart` each waits to be started by name.

    Raises:
        ConfigurationError: a value cannot be written in supervisord's format.
    """
    sections = [_supervisord(place), *(_program(program, place, autostart=autostart) for program in programs)]
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _supervisord(place: Place) -> list[str]:
    return [
        "; Retinue's programs. Write it anew with `retinue supervisor-config`.",
        *_about_environment(place),
        "[unix_http_server]",
        _option("file", place.socket),
        "chmod=0700",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[supervisorctl]",
        _option("serverurl", f"unix://{place.socket}"),
        "",
        "[supervisord]",
        _option("logfile", place.log_dir / "supervisord.log"),
        f"logfile_maxbytes={_LOG_BYTES}",
        f"logfile_backups={_LOG_BACKUPS}",
        _option("pidfile", place.pidfile),
        _option("childlogdir", place.log_dir),
        "nocleanup=true",
    ]


def _about_environment(place: Place) -> list[str]:
    if place.environment_file is None:
        return []
    return [
        f"; Settings and secrets are read from {place.environment_file} as each program starts: lines NAME=value in",
        "; the shell's syntax. Let only the user who runs supervisord read that file, and do not run it as root.",
    ]


def _program(program: Program, place: Place, *, autostart: bool) -> list[str]:
    numbered = program.processes > 1
    name = "%(program_name)s-%(process_num)d" if numbered else "%(program_name)s"
    # supervisord expands a log file's name twice.
    log = f"{_escape(_escape(str(place.log_dir)))}/{name.replace('%', '%%') if numbered else program.name}.log"
    # What a listener writes to its standard output is for supervisord alone.
    stream = "stderr" if program.events else "stdout"
    lines = [
        f"; {program.description}",
        f"[{'eventlistener' if program.events else 'program'}:{program.name}]",
        f"command={_command(program, place)}",
        f"process_name={name}",
        f"numprocs={program.processes}",
        f"priority={int(program.tier)}",
        f"autostart={str(autostart).lower()}",
        # Any exit is unexpected and restarts the program, but for the one that says that the settings are wrong.
        "autorestart=unexpected",
        f"exitcodes={CONFIGURATION_EXIT_CODE}",
        f"startsecs={program.start_seconds}",
        f"startretries={program.start_retries}",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_seconds}",
        "killasgroup=true",
        *_streams(program),
        f"{stream}_logfile={log}",
        f"{stream}_logfile_maxbytes={_LOG_BYTES}",
        f"{stream}_logfile_backups={_LOG_BACKUPS}",
    ]
    if program.environment:
        lines.append(f"environment={_environment(program)}")
    return lines


def _streams(program: Program) -> Iterator[str]:
    if not program.events:
        yield "redirect_stderr=true"
        return
    yield f"events={','.join(program.events)}"
    yield f"buffer_size={_EVENT_BUFFER}"
    yield "stdout_logfile=NONE"


def _command(program: Program, place: Place) -> str:
    command = program.command
    if place.environment_file is not None:
        # -a exports every assignment; exec leaves no shell between supervisord and the program.
        command = ("/bin/sh", "-ac", '. "$0" && exec "$@"', str(place.environment_file), *command)
    return " ".join(_quote(argument) for argument in command)


def _quote(argument: str) -> str:
    _one_line("command", argument)
    # An empty pair of quotes keeps the comment sign away from the space and changes nothing for the shell's rules.
    return _escape(_COMMENT_AFTER_SPACE.sub("''", shlex.quote(argument)))


def _environment(program: Program) -> str:
    return ",".join(_assignment(name, value) for name, value in sorted(program.environment.items()))


def _assignment(name: str, value: str) -> str:
    if _UNQUOTABLE.search(value) or _COMMENT_AFTER_SPACE.search(value) or value != value.strip("'"):
        raise ConfigurationError(f"supervisord cannot be given {name}={value!r}: leave out quotes and comment signs")
    return f'{name}="{_escape(value)}"'


def _option(name: str, value: Path | str) -> str:
    text = str(value)
    _one_line(name, text)
    if _COMMENT_AFTER_SPACE.search(text):
        raise ConfigurationError(f"supervisord cannot use {name}={text}: it takes ' #' and ' ;' for a comment")
    return f"{name}={_escape(text)}"


def _one_line(name: str, text: str) -> None:
    if any(character in text for character in "\r\n\0"):
        raise ConfigurationError(f"supervisord cannot use {name}={text!r}: it has more than one line")


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def log_files(program: Program, log_dir: Path) -> Iterator[Path]:
    """Where each process of the program logs to."""
    for name in program.process_names:
        yield log_dir / f"{name}.log"
