"""`retinue connections test`: a connection tried out, whatever its provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from cli.environment import database_connection, ring_bell
from cli.errors import BadInput

if TYPE_CHECKING:
    from infra.settings import Settings
    from retinue.connection import Connection
    from servants.probing import ProbeReport


def try_out(settings: Settings, connection_id: int, *, as_json: bool, more: Mapping[str, object] | None = None) -> None:
    """Try the connection out; exits with 1 where a step fails. `more` is printed with the rest of the JSON."""
    from cli.output import print_json

    report = _probe(settings, connection_id)
    resumed = _resume(settings, connection_id) if report.ok else []
    if as_json:
        found = {"connection_id": connection_id, "ok": report.ok, "steps": report.steps, "resumed": resumed}
        print_json(found | dict(more or {}))
    else:
        _print_report(report, resumed)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _probe(settings: Settings, connection_id: int) -> ProbeReport:
    from infra.postgres.connections import open_connection
    from infra.postgres.vault import Vault
    from infra.secrets import Keyring

    keyring = Keyring.from_settings(settings)
    with database_connection(settings) as connection:
        opened = open_connection(connection, keyring, connection_id)
    probe = _PROBES.get(opened.provider)
    if probe is None:
        *most, last = _PROBES
        known = f"{', '.join(most)} and {last}"
        raise BadInput(
            f"Connection {connection_id} is for {opened.provider!r}; only {known} connections can be tested."
        )
    return probe(replace(opened, keeper=Vault(settings.database_url, keyring)))


def _resume(settings: Settings, connection_id: int) -> list[str]:
    """The types whose parked jobs go on."""
    from infra.postgres.connections import mark_active

    with database_connection(settings) as connection:
        resumed = mark_active(connection, connection_id)
    ring_bell(settings)
    return resumed


def _caldav(connection: Connection) -> ProbeReport:
    from servants.calendar.probe import probe

    return probe(connection.config, connection.credentials)


def _imap(connection: Connection) -> ProbeReport:
    from servants.email.probe import probe

    return probe(connection)


def _salesforce(connection: Connection) -> ProbeReport:
    from servants.salesforce.probe import probe

    return probe(connection)


#: What tries out a connection, by provider.
_PROBES: Mapping[str, Callable[[Connection], ProbeReport]] = {
    "caldav": _caldav,
    "imap": _imap,
    "salesforce": _salesforce,
}


def _print_report(report: ProbeReport, resumed: list[str]) -> None:
    from cli.output import one_line

    for step in report.steps:
        mark = click.style("ok    ", fg="green") if step.ok else click.style("failed", fg="red", bold=True)
        click.echo(f"{mark}  {step.name:<12} {one_line(step.message, width=2000)}")
    for job_type in resumed:
        click.echo(f"Its parked {job_type} jobs go on.")
