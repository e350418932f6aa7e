"""Where the servers of an embedded stack are, and the environment that leads Retinue's programs to them."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.demo_org import CLIENT_ID
from infra.local.layout import Layout, using
from infra.local.ports import HOST, LocalPorts, read_ports
from infra.local.postgres_server import database_url
from infra.local.processes import mark
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.settings import Settings

#: What moto's server takes as well as anything else; set so that no real credentials are ever sent to it.
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "retinue",
    "AWS_SECRET_ACCESS_KEY": "retinue",
    "AWS_EC2_METADATA_DISABLED": "true",
}

#: Kept from the programs: real AWS accounts, and a supervisord that `retinue up` itself may run under.
_WITHHELD_PREFIXES = ("AWS_", "SUPERVISOR_")

_ANY_ADDRESS = {"0.0.0.0": HOST, "::": "[::1]"}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is. `environment` holds the settings that lead a program of Retinue there."""

    database_url: str
    sqs_endpoint_url: str
    caldav_url: str
    caldav_data: Path
    imap_port: int
    imap_data: Path
    salesforce_url: str
    salesforce_data: Path
    manager_url: str
    manager_user: str
    manager_password: str
    environment: Mapping[str, str]


def layout_of(settings: Settings) -> Layout:
    """The layout of the data directory that the settings name."""
    return Layout(settings.data_dir.resolve())


def addresses(settings: Settings, ports: LocalPorts) -> Addresses:
    """The addresses of the stack that listens on these ports."""
    layout = layout_of(settings)
    host = _ANY_ADDRESS.get(settings.manager_host, settings.manager_host)
    database = database_url(port=ports.postgres, password=layout.postgres_password.read_text().strip())
    sqs = f"http://{HOST}:{ports.sqs}"
    password = _manager_password(settings, layout)
    return Addresses(
        database_url=database,
        sqs_endpoint_url=sqs,
        caldav_url=f"http://{HOST}:{ports.caldav}",
        caldav_data=layout.caldav,
        imap_port=ports.imap,
        imap_data=layout.imap,
        salesforce_url=f"http://{HOST}:{ports.salesforce}",
        salesforce_data=layout.salesforce,
        manager_url=f"http://{host}:{ports.manager}",
        manager_user=settings.manager_user,
        manager_password=password,
        environment={
            **_CREDENTIALS,
            "RETINUE_DATA_DIR": str(layout.root),
            "RETINUE_DATABASE_URL": database,
            **_transport(settings, sqs),
            "RETINUE_MANAGER_PORT": str(ports.manager),
            "RETINUE_MANAGER_PASSWORD": password,
            **_key_file(settings, layout),
            **_org_sign_in(settings, ports),
        },
    )


def local_environment(settings: Settings) -> dict[str, str]:
    """What to add to the environment so that a command works with the stack of the data directory.

    Empty when no stack was ever started there, or when the settings name another database.
    """
    ports = read_ports(layout_of(settings).ports)
    if ports is None or "database_url" in settings.model_fields_set:
        return {}
    with using(settings.data_dir):
        return dict(addresses(settings, ports).environment)


def refuse_other_servers(settings: Settings, local: Addresses) -> None:
    """The stack brings its own servers; the settings must not lead elsewhere.

    Raises:
        ConfigurationError: RETINUE_DATABASE_URL or RETINUE_SQS_ENDPOINT_URL is set to another server.
    """
    for name, own in (("database_url", local.database_url), ("sqs_endpoint_url", local.sqs_endpoint_url)):
        if name in settings.model_fields_set and getattr(settings, name) not in (None, own):
            raise ConfigurationError(
                f"RETINUE_{name.upper()} is set, but `retinue up` starts a server of its own: unset it, or run the "
                "programs that `retinue supervisor-config` declares"
            )


def program_environment(local: Addresses, socket_path: Path) -> dict[str, str]:
    """The whole environment of supervisord and, through it, of every program."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_WITHHELD_PREFIXES)}
    return {**inherited, **_search_path(inherited), **local.environment, **mark(socket_path), "PYTHONUNBUFFERED": "1"}


def _search_path(inherited: Mapping[str, str]) -> dict[str, str]:
    """Programs do not look for modules in the working directory, so a checkout that is not installed is named here."""
    source = Path(__file__).resolve().parents[2]
    if source == Path(sysconfig.get_path("purelib")).resolve():
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(source), inherited.get("PYTHONPATH")]))}


def _transport(settings: Settings, sqs: str) -> dict[str, str]:
    if settings.transport == "sqs":
        return {"RETINUE_TRANSPORT": "sqs", "RETINUE_SQS_ENDPOINT_URL": sqs}
    return {"RETINUE_TRANSPORT": settings.transport}


def _org_sign_in(settings: Settings, ports: LocalPorts) -> dict[str, str]:
    """Accounts sign in to the sandbox, unless there is an app for the real Salesforce."""
    if settings.salesforce_client_id is not None:
        return {}
    return {
        "RETINUE_SALESFORCE_CLIENT_ID": CLIENT_ID,
        "RETINUE_SALESFORCE_LOGIN_URL": f"http://{HOST}:{ports.salesforce}",
    }


def _manager_password(settings: Settings, layout: Layout) -> str:
    if "manager_password" in settings.model_fields_set:
        return settings.manager_password.get_secret_value()
    return layout.manager_password.read_text().strip()


def _key_file(settings: Settings, layout: Layout) -> dict[str, str]:
    if settings.secret_key is not None or settings.secret_key_file is not None:
        return {}
    return {"RETINUE_SECRET_KEY_FILE": str(layout.secret_keys)}
