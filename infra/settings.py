"""Settings: from the environment (`RETINUE_*`) and from `.env` in the working directory, all checked at the start.

A value from the environment wins over one from `.env`; an empty one counts as not set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra import settings_values
from infra.roles import Role
from infra.settings_checks import DEFAULT_PASSWORD, Finding, findings
from infra.settings_report import SettingRow, explain, rows
from infra.settings_sources import ENV_PREFIX, Origin, read_origin
from retinue.errors import ConfigurationError

__all__ = ["Finding", "SettingRow", "Settings", "load_settings"]

#: Of every org that names no address of its own.
SALESFORCE_LOGIN_URL = "https://login.salesforce.com"

_Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=24)]
_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_LowerCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _setting(default: Any, description: str, example: object, **constraints: Any) -> Any:
    return Field(default, description=description, examples=[example], **constraints)


class Settings(BaseSettings):
    """Everything that can be set. Field `x` is set by `RETINUE_X`; its description gives meaning and unit."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    environment: _Word = _setting(
        "local",
        "Which installation this is, in lower-case letters, digits and dashes; part of every queue's name.",
        "prod",
    )
    data_dir: Annotated[Path, AfterValidator(settings_values.absolute)] = _setting(
        Path(".retinue"), "Directory of the embedded stack's data.", "/var/lib/retinue"
    )
    database_url: Annotated[str, AfterValidator(settings_values.postgresql_url)] = _setting(
        "postgresql://retinue@127.0.0.1:5432/retinue",
        "PostgreSQL to work with, as a postgresql:// URL.",
        "postgresql://retinue:password@db.example:5432/retinue",
        repr=False,
    )
    transport: Annotated[Literal["sqs", "postgres"], _LowerCase] = _setting(
        "sqs", "What carries the messages: sqs, or postgres for the tables of the database itself.", "postgres"
    )
    sqs_endpoint_url: Annotated[str, AfterValidator(settings_values.http_url)] | None = _setting(
        None, "SQS server to use instead of AWS, as an http:// or https:// URL.", "http://127.0.0.1:5000"
    )
    aws_region: Annotated[str, Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$")] = _setting(
        "us-east-1", "AWS region of the queues.", "eu-central-1"
    )
    queue_prefix: _Word = _setting(
        "retinue", "First part of every queue's name, in lower-case letters, digits and dashes.", "retinue"
    )
    secret_key: Annotated[SecretStr, AfterValidator(settings_values.check_key)] | None = _setting(
        None, "Key that seals credentials, as ID:KEY with KEY 32 bytes in base64.", "k1:<32 bytes in base64>"
    )
    secret_key_file: Annotated[Path, AfterValidator(settings_values.absolute)] | None = _setting(
        None, "File with that key, one key to a line, of which the first seals and all open.", "/etc/retinue/keys"
    )
    secret_keys_retired: Annotated[SecretStr, AfterValidator(settings_values.check_keys)] | None = _setting(
        None, "Earlier keys that still open what they sealed, as ID:KEY joined by commas.", "k0:<32 bytes in base64>"
    )
    log_format: Annotated[Literal["console", "json"], _LowerCase] = _setting(
        "console", "How log lines look: console for people, json for shippers (Logstash's event format).", "json"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], _LowerCase] = _setting(
        "info", "Least level that is logged: debug, info, warning, error or critical.", "info"
    )
    manager_host: Annotated[str, Field(min_length=1, pattern=r"^\S+$")] = _setting(
        "127.0.0.1",
        "Address that the manager listens on.",
        "0.0.0.0",  # noqa: S104 - an example, not the default
    )
    manager_port: Annotated[int, Field(ge=1, le=65_535)] = _setting(8600, "Port that the manager listens on.", 8600)
    manager_url: Annotated[str, AfterValidator(settings_values.http_url)] | None = _setting(
        None, "URL at which people reach the manager, for links in letters.", "https://retinue.example.com"
    )
    manager_user: Annotated[str, Field(min_length=1, pattern=r"^[^:\s]+$")] = _setting(
        "operator", "Name to sign in to the manager with.", "operator"
    )
    manager_password: Annotated[SecretStr, Field(min_length=1)] = _setting(
        SecretStr(DEFAULT_PASSWORD), "Password to sign in to the manager with.", "a long random one"
    )
    oidc_issuer: Annotated[str, AfterValidator(settings_values.http_url)] | None = _setting(
        None,
        "OpenID Connect provider that people sign in to the manager with, by its issuer's URL.",
        "https://id.example.com/realms/staff",
    )
    oidc_client_id: Annotated[str, Field(min_length=1)] | None = _setting(
        None, "What that provider knows the manager as.", "retinue"
    )
    oidc_client_secret: Annotated[SecretStr, Field(min_length=1)] | None = _setting(
        None, "Secret that it gave the manager; not set for a public client.", "a long random one"
    )
    oidc_role_claim: Annotated[str, Field(min_length=1)] = _setting(
        "roles", "Claim that names a person's groups or roles, with dots where it lies deeper.", "realm_access.roles"
    )
    oidc_roles: Annotated[dict[str, Role] | None, NoDecode, BeforeValidator(settings_values.roles_of_groups)] = (
        _setting(
            None,
            "Which of them have which role, as GROUP=ROLE joined by commas; not set: they are roles themselves.",
            "sre=admin,support=operator,staff=viewer",
        )
    )
    salesforce_client_id: Annotated[str, Field(min_length=1)] | None = _setting(
        None, "Consumer key of the app by which accounts sign in to Salesforce on their own pages.", "3MVG9..."
    )
    salesforce_client_secret: Annotated[SecretStr, Field(min_length=1)] | None = _setting(
        None, "Consumer secret of that app, where it asks for one.", "a long random one"
    )
    salesforce_login_url: Annotated[str, AfterValidator(settings_values.http_url)] = _setting(
        SALESFORCE_LOGIN_URL, "URL at which they sign in.", "https://acme.my.salesforce.com"
    )
    account_servers: Annotated[Literal["public", "any"], _LowerCase] = _setting(
        "public",
        "Where accounts' own pages may connect: public for what the internet reaches, any for private networks too.",
        "any",
    )
    smtp_url: Annotated[SecretStr, AfterValidator(settings_values.smtp_url)] | None = _setting(
        None,
        "Mail server that sends invitations, as a URL: smtps://, or smtp:// for STARTTLS. Not set: links are shown.",
        "smtps://user:password@mail.example.com",
    )
    mail_from: Annotated[str, AfterValidator(settings_values.sender)] | None = _setting(
        None, "Whom those letters are from.", "Retinue <retinue@example.com>"
    )
    metrics_host: Annotated[str, Field(min_length=1, pattern=r"^\S+$")] = _setting(
        "127.0.0.1", "Address that schedulers and servants serve their metrics on.", "127.0.0.1"
    )
    metrics_port: Annotated[int | Literal["off"], BeforeValidator(settings_values.port_or_off)] = _setting(
        0, "Port of the metrics: 0 takes a free one for each process, off serves none.", 0
    )
    otel_endpoint: Annotated[str, AfterValidator(settings_values.http_url)] | None = _setting(
        None, "OpenTelemetry collector that traces are sent to, as an http:// or https:// URL.", "http://127.0.0.1:4318"
    )
    lease_seconds: _Seconds = _setting(
        30.0, "How long a claimed job stays its servant's without a heartbeat, in seconds.", 30
    )
    heartbeat_seconds: _Seconds = _setting(5.0, "How often a servant reports and renews its leases, in seconds.", 5)
    drain_grace_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = _setting(
        20.0, "How long running jobs may go on when their servant stops, in seconds.", 20
    )
    queued_timeout_seconds: _Seconds = _setting(
        30.0, "How long a job may stay queued before its message counts as lost, in seconds.", 30
    )
    history_days: Annotated[int, Field(ge=1, le=3_650)] = _setting(
        14, "How long finished jobs and changes of records are kept, in days.", 14
    )
    figures_days: Annotated[int, Field(ge=1, le=36_500)] = _setting(
        400, "How long figures about finished jobs are kept, in days.", 400
    )
    sqs_dollars_per_million: Annotated[float, Field(ge=0, le=1_000, allow_inf_nan=False)] = _setting(
        0.4, "What a million requests to SQS cost in dollars, from https://aws.amazon.com/sqs/pricing/.", 0.4
    )
    sqs_free_calls: Annotated[int, Field(ge=0, le=10**12)] = _setting(
        1_000_000, "Requests to SQS that are free of charge each month, from the same page.", 1_000_000
    )
    dispatch_poll_seconds: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = _setting(
        1.0, "How often the scheduler looks for due jobs when nothing wakes it, in seconds.", 1
    )
    servants: Annotated[dict[str, int], NoDecode, BeforeValidator(settings_values.servant_counts)] = _setting(
        {}, "Servant processes to run, as TYPE=COUNT joined by commas; empty means one of each type.", "calendar.sync=2"
    )

    _origin: Origin = PrivateAttr(default_factory=Origin)

    def check(self) -> list[Finding]:
        """What is wrong with these settings taken together (errors) and what looks unintended (warnings)."""
        return findings(self, self._origin)

    def rows(self) -> list[SettingRow]:
        """Every setting with its value, secrets masked, and where the value comes from."""
        return rows(self, self._origin)


def load_settings(*, env_file: Path | None = Path(".env"), **given: Any) -> Settings:
    """The settings of this process; those `given` by field name, as from the command line, win over all others.

    Raises:
        ConfigurationError: lists every setting that is wrong, with its value (secrets masked) and how to mend it.
    """
    origin = read_origin(env_file, given=frozenset(given))
    try:
        settings = Settings(_env_file=env_file, **given)
    except ValidationError as error:
        raise ConfigurationError(explain(Settings, error, origin)) from None
    settings._origin = origin
    return settings
