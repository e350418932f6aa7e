from __future__ import annotations

import sys
from pathlib import Path

from infra.local.ports import LocalPorts
from infra.settings import Settings, load_settings
from infra.supervisor.programs import Program, Tier, programs, servant_program

TYPES = {"calendar.sync": 2, "system.echo": 1, "system.sleep": 0}
DEMO = ("demo-editor", "demo-postman", "demo-salesperson")


def settings(**given: object) -> Settings:
    return load_settings(env_file=None, **given)


def by_name(declared: list[Program]) -> dict[str, Program]:
    return {program.name: program for program in declared}


def test_production_has_no_program_of_the_embedded_stack() -> None:
    declared = programs(settings(), TYPES, None)
    assert [program.name for program in declared] == [
        "exits",
        "scheduler",
        "servant-calendar-sync",
        "servant-system-echo",
        "manager",
    ]
    assert not any(program.only_local for program in declared)


def test_the_embedded_stack_brings_its_servers_first() -> None:
    declared = programs(settings(), TYPES, LocalPorts())
    ground = ["postgres", "sqs", "caldav", "imap", "salesforce"]
    assert [program.name for program in declared if program.tier is Tier.GROUND] == ground
    assert [program.tier for program in declared] == sorted(program.tier for program in declared)
    assert {program.name for program in declared if program.only_local} == {*ground, *DEMO}


def test_there_is_no_sqs_server_where_postgresql_carries_the_messages() -> None:
    declared = programs(settings(transport="postgres"), TYPES, LocalPorts())
    ground = [program.name for program in declared if program.tier is Tier.GROUND]
    assert ground == ["postgres", "caldav", "imap", "salesforce"]


def test_retinue_runs_with_this_interpreter_and_ignores_the_working_directory() -> None:
    program = by_name(programs(settings(), TYPES, None))["servant-calendar-sync"]
    assert program.command == (sys.executable, "-P", "-m", "cli.main", "servant", "calendar.sync")


def test_servers_get_their_ports_and_directories(tmp_path: Path) -> None:
    ports = LocalPorts(manager=1, postgres=2, sqs=3, caldav=4, imap=5, salesforce=6)
    declared = by_name(programs(settings(data_dir=tmp_path), TYPES, ports))
    assert declared["postgres"].command[-4:] == ("--data", str(tmp_path / "postgres"), "--port", "2")
    assert declared["sqs"].command[-2:] == ("--port", "3")
    assert declared["caldav"].command[-4:] == ("--port", "4", "--data", str(tmp_path / "caldav"))
    assert "http://127.0.0.1:4" in declared["demo-editor"].command
    assert declared["imap"].command[-4:] == ("--port", "5", "--data", str(tmp_path / "imap"))
    assert declared["demo-postman"].command[-6:-2] == declared["imap"].command[-4:]
    assert declared["salesforce"].command[-4:] == ("--port", "6", "--data", str(tmp_path / "salesforce"))
    assert "http://127.0.0.1:6" in declared["demo-salesperson"].command


def test_postgresql_is_stopped_fast_and_given_time() -> None:
    postgres = by_name(programs(settings(), TYPES, LocalPorts()))["postgres"]
    assert postgres.stop_signal == "INT"
    assert postgres.stop_seconds >= 30


def test_a_servant_has_as_many_processes_as_asked_for() -> None:
    declared = by_name(programs(settings(), TYPES, None))
    assert declared["servant-calendar-sync"].process_names == ("servant-calendar-sync-0", "servant-calendar-sync-1")
    assert declared["servant-system-echo"].process_names == ("servant-system-echo",)


def test_a_servant_may_finish_its_jobs_before_it_is_killed() -> None:
    declared = by_name(programs(settings(drain_grace_seconds=33.5), TYPES, None))
    assert declared["servant-system-echo"].stop_seconds > 34


def test_the_program_of_a_type() -> None:
    assert servant_program("acme_crm.contacts.sync") == "servant-acme_crm-contacts-sync"


def test_who_notes_ends_starts_before_those_whose_end_it_notes() -> None:
    declared = programs(settings(), TYPES, LocalPorts())
    listener = by_name(declared)["exits"]
    assert "PROCESS_STATE_EXITED" in listener.events
    assert {p.name for p in declared if p.tier < listener.tier} <= {"postgres", "sqs", "caldav", "imap", "salesforce"}
    assert all(not p.events for p in declared if p is not listener)
