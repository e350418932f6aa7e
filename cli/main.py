"""The entry point: every command of `retinue`."""

from __future__ import annotations

import click

from cli.errors import ExplainsErrors
from cli.lazy import LazyGroup


class _Retinue(ExplainsErrors, LazyGroup):
    pass


@click.group(
    cls=_Retinue,
    lazy={
        "up": "cli.stack:up",
        "down": "cli.stack:down",
        "status": "cli.stack:status",
        "doctor": "cli.stack:doctor",
        "jobs": "cli.jobs:jobs",
        "groups": "cli.groups:groups",
        "lanes": "cli.lanes:lanes",
        "types": "cli.lanes:types",
        "servants": "cli.servants:servants",
        "schedules": "cli.schedules:schedules",
        "accounts": "cli.accounts:accounts",
        "members": "cli.members:members",
        "assume": "cli.assume:assume",
        "connections": "cli.connections:connections",
        "salesforce": "cli.salesforce:salesforce",
        "incidents": "cli.incidents:incidents",
        "anomalies": "cli.anomalies:anomalies",
        "breakers": "cli.incidents:breakers",
        "users": "cli.users:users",
        "tokens": "cli.tokens:tokens",
        "audit": "cli.audit:audit",
        "migrate": "cli.upkeep:migrate",
        "check-config": "cli.upkeep:check_config",
        "supervisor-config": "cli.stack:supervisor_config",
        "scheduler": "cli.processes:scheduler",
        "servant": "cli.processes:servant",
        "manager": "cli.processes:manager",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(package_name="retinue", prog_name="retinue")
def cli() -> None:
    """Keep customers' data in step with the outside world: jobs, servants and what they need.

    `retinue up` starts everything on this machine. Settings come from RETINUE_* variables and from .env.
    """


def main() -> None:
    """Run the command line."""
    cli(prog_name="retinue")


if __name__ == "__main__":
    main()
