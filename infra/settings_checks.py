"""What is wrong with settings taken together, and what looks unintended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from infra.hosts import is_loopback
from infra.keys import readable_by_others
from infra.secrets import Keyring
from infra.settings_report import did_you_mean
from infra.settings_sources import Origin, variable_name
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.settings import Settings

#: Good for a machine of one's own; refused where others can reach the manager.
DEFAULT_PASSWORD = "retinue"  # noqa: S105 - refused on any address but this machine's own
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the settings that a person must mend (error) or should look at (warning)."""

    level: Literal["error", "warning"]
    setting: str
    message: str


def findings(settings: Settings, origin: Origin) -> list[Finding]:
    """Errors first, then warnings."""
    checks = (_timing, _manager, _sign_in, _salesforce, _mail, _logs, _database, _transport, _keys)
    found = [finding for check in checks for finding in check(settings)]
    found += _unknown(type(settings), origin)
    return sorted(found, key=lambda finding: finding.level != "error")


def _timing(settings: Settings) -> Iterator[Finding]:
    lease, heartbeat = settings.lease_seconds, settings.heartbeat_seconds
    if heartbeat * 2 >= lease:
        yield Finding(
            "error",
            variable_name("heartbeat_seconds"),
            f"With a heartbeat every {heartbeat:g} seconds and a lease of {lease:g}, one late heartbeat loses it. "
            f"Make {variable_name('lease_seconds')} more than twice the heartbeat.",
        )


def _manager(settings: Settings) -> Iterator[Finding]:
    is_default = settings.manager_password.get_secret_value() == DEFAULT_PASSWORD
    if is_default and not is_loopback(settings.manager_host):
        yield Finding(
            "error",
            variable_name("manager_password"),
            f"The manager would listen on {settings.manager_host}, where others reach it, with the default password. "
            "Set a password of your own.",
        )


def _sign_in(settings: Settings) -> Iterator[Finding]:
    issuer = urlsplit(settings.oidc_issuer or "")
    if settings.oidc_issuer is not None and settings.oidc_client_id is None:
        message = f"It needs {variable_name('oidc_client_id')}: what the provider knows the manager as."
        yield Finding("error", variable_name("oidc_issuer"), message)
    if issuer.scheme == "http" and not is_loopback(issuer.hostname or ""):
        message = "The provider's answers say who is an admin: only over https can nobody else give them. Use https."
        yield Finding("error", variable_name("oidc_issuer"), message)
    if settings.oidc_issuer is None and settings.oidc_client_id is not None:
        message = f"It is not used: {variable_name('oidc_issuer')} is not set. Set both, or neither."
        yield Finding("warning", variable_name("oidc_client_id"), message)


def _salesforce(settings: Settings) -> Iterator[Finding]:
    login = urlsplit(settings.salesforce_login_url)
    if login.scheme == "http" and not is_loopback(login.hostname or ""):
        message = "Tokens would be sent there in the clear. Use https."
        yield Finding("error", variable_name("salesforce_login_url"), message)
    if settings.salesforce_client_id is None and settings.salesforce_client_secret is not None:
        message = f"It is not used: {variable_name('salesforce_client_id')} is not set. Set both, or neither."
        yield Finding("warning", variable_name("salesforce_client_secret"), message)


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.smtp_url is None:
        return
    for name, what in (("mail_from", "whom letters are from"), ("manager_url", "where their links lead")):
        if getattr(settings, name) is None:
            yield Finding("error", variable_name("smtp_url"), f"It needs {variable_name(name)}: {what}.")


def _logs(settings: Settings) -> Iterator[Finding]:
    if settings.environment != LOCAL and settings.log_format == "console":
        yield Finding(
            "warning",
            variable_name("log_format"),
            f"Environment {settings.environment!r} logs in the console format, which is for people. Set it to json if "
            "the lines are shipped anywhere.",
        )


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.environment != LOCAL and "database_url" not in settings.model_fields_set:
        yield Finding(
            "error",
            variable_name("database_url"),
            f"Environment {settings.environment!r} has no database of its own: the default is for local use. Set it.",
        )


def _transport(settings: Settings) -> Iterator[Finding]:
    if settings.transport == "postgres" and settings.sqs_endpoint_url is not None:
        message = f"It is not used: {variable_name('transport')} is postgres. Unset one of the two."
        yield Finding("warning", variable_name("sqs_endpoint_url"), message)


def _keys(settings: Settings) -> Iterator[Finding]:
    path = settings.secret_key_file
    try:
        Keyring.from_settings(settings)
    except ConfigurationError as error:
        is_missing = settings.secret_key is None and path is None
        level: Literal["error", "warning"] = "warning" if is_missing and settings.environment == LOCAL else "error"
        yield Finding(level, variable_name("secret_key" if path is None else "secret_key_file"), error.message)
        return
    if path is not None and settings.secret_key is not None:
        message = f"{variable_name('secret_key')} is set too and is the one in use. Set one of the two."
        yield Finding("warning", variable_name("secret_key_file"), message)
    elif path is not None and readable_by_others(path):
        message = f"Others than its owner may read or write the key file {path}. Run: chmod 600 {path}"
        yield Finding("warning", variable_name("secret_key_file"), message)


def _unknown(model: type[Settings], origin: Origin) -> Iterator[Finding]:
    known = {variable_name(name) for name in model.model_fields}
    for variable in sorted((origin.environment | origin.dotenv) - known):
        yield Finding("warning", variable, f"There is no such setting.{did_you_mean(variable, model)}")
