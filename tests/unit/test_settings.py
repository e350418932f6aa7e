from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.keys import Key, generate_key, write_key_file
from infra.settings import Settings, load_settings
from retinue.errors import ConfigurationError

HIDDEN = "hunter2"
SOUND_KEY = Key("k1", bytes(32)).render()
FIELDS = sorted(Settings.model_fields)

SetVariables = Callable[..., None]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("RETINUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def set_variables(monkeypatch: pytest.MonkeyPatch) -> SetVariables:
    def set_them(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"RETINUE_{name.upper()}", value)

    return set_them


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


def sources(settings: Settings) -> dict[str, str]:
    return {row.name: row.source for row in settings.rows()}


def found(settings: Settings) -> set[tuple[str, str]]:
    return {(finding.level, finding.setting.removeprefix("RETINUE_").lower()) for finding in settings.check()}


class TestLoading:
    def test_works_with_nothing_set(self) -> None:
        settings = load_settings()

        assert settings.environment == "local"
        assert settings.data_dir == Path.cwd() / ".retinue"
        assert settings.servants == {}
        assert set(sources(settings).values()) == {"default"}

    def test_given_wins_over_the_environment_which_wins_over_dotenv(self, set_variables: SetVariables) -> None:
        Path(".env").write_text("RETINUE_LOG_LEVEL=error\nRETINUE_HISTORY_DAYS=7\nRETINUE_MANAGER_PORT=9000\n")
        set_variables(log_level="debug", manager_port="9001")

        settings = load_settings(manager_port=9002)

        assert (settings.history_days, settings.log_level, settings.manager_port) == (7, "debug", 9002)
        assert sources(settings) | {
            "RETINUE_HISTORY_DAYS": ".env",
            "RETINUE_LOG_LEVEL": "env",
            "RETINUE_MANAGER_PORT": "given",
            "RETINUE_LEASE_SECONDS": "default",
        } == sources(settings)

    def test_an_empty_value_counts_as_not_set(self, set_variables: SetVariables) -> None:
        Path(".env").write_text("RETINUE_HISTORY_DAYS=7\n")
        set_variables(history_days="", sqs_endpoint_url="")

        settings = load_settings()

        assert settings.history_days == 7
        assert settings.sqs_endpoint_url is None
        assert sources(settings)["RETINUE_HISTORY_DAYS"] == ".env"

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            load_settings().history_days = 3  # type: ignore[misc] # that is the point

    def test_takes_sqlalchemys_form_of_the_database_url(self) -> None:
        url = "postgresql+psycopg://me@/db?host=/run/postgresql"
        assert load_settings(database_url=url).database_url == "postgresql://me@/db?host=/run/postgresql"

    def test_reads_how_many_servants_of_each_type(self, set_variables: SetVariables) -> None:
        set_variables(servants=" calendar.sync=2, system.echo = 0 ,")
        assert load_settings().servants == {"calendar.sync": 2, "system.echo": 0}

    @pytest.mark.parametrize("field", FIELDS)
    def test_every_setting_says_what_it_is_and_in_which_unit(self, field: str) -> None:
        description = Settings.model_fields[field].description or ""
        unit = field.rpartition("_")[2]
        assert len(description) > 20
        assert description.endswith(".")
        assert unit not in ("seconds", "days", "url") or unit in description.replace("URL", "url")

    @pytest.mark.parametrize("field", [field for field in FIELDS if not field.startswith("secret_key")])
    def test_the_example_of_every_setting_is_good(self, field: str, set_variables: SetVariables) -> None:
        examples = Settings.model_fields[field].examples
        assert examples
        set_variables(**{field: str(examples[0])})
        assert sources(load_settings())[f"RETINUE_{field.upper()}"] == "env"


class TestRefusing:
    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("environment", "Prod!", "should match pattern"),
            ("environment", "a" * 25, "at most 24 characters"),
            ("transport", "kafka", "'sqs' or 'postgres'"),
            ("database_url", "mysql://h/db", "must begin with postgresql://"),
            ("database_url", "postgresql://h:port/db", "port that is no number"),
            ("database_url", "postgresql://h:70000/db", "port that is no number"),
            ("database_url", "postgresql://h/db?colour=red", "invalid URI query parameter"),
            ("sqs_endpoint_url", "localhost:5000", "must be http://HOST:PORT"),
            ("sqs_endpoint_url", "http://h:port", "must be http://HOST:PORT"),
            ("aws_region", "moon", "should match pattern"),
            ("queue_prefix", "a_b", "should match pattern"),
            ("log_format", "xml", "should be 'console' or 'json'"),
            ("log_level", "loud", "should be 'debug'"),
            ("manager_host", "a host", "should match pattern"),
            ("manager_port", "0", "greater than or equal to 1"),
            ("manager_port", "http", "unable to parse string as an integer"),
            ("manager_user", "a:b", "should match pattern"),
            ("oidc_issuer", "id.example.com", "must be http://HOST:PORT"),
            ("mail_from", "Retinue", "must be ADDRESS or NAME <ADDRESS>"),
            ("mail_from", "a@b.example\n c", "must be ADDRESS or NAME <ADDRESS>"),
            ("manager_url", "retinue.example.com", "must be http://HOST:PORT"),
            ("oidc_roles", "sre", "must be GROUP=ROLE"),
            ("oidc_roles", "=admin", "must be GROUP=ROLE"),
            ("oidc_roles", "sre=root", "with viewer, operator, admin as the role"),
            ("lease_seconds", "soon", "unable to parse string as a number"),
            ("lease_seconds", "0", "greater than 0"),
            ("heartbeat_seconds", "nan", "finite number"),
            ("drain_grace_seconds", "-1", "greater than or equal to 0"),
            ("queued_timeout_seconds", "inf", "finite number"),
            ("history_days", "1.5", "valid integer"),
            ("dispatch_poll_seconds", "0", "greater than 0"),
            ("servants", "calendar.sync", "must be TYPE=COUNT"),
            ("servants", "calendar.sync=-1", "must be TYPE=COUNT"),
            ("servants", "Calendar=1", "has 'Calendar' as a type"),
            ("servants", "a.b=1,a.b=2", "names a.b twice"),
        ],
    )
    def test_names_the_setting_its_value_the_fault_and_an_example(
        self, field: str, value: str, reason: str, set_variables: SetVariables
    ) -> None:
        set_variables(**{field: value})

        message = refusal()

        assert message.startswith("1 setting is wrong:")
        assert f"RETINUE_{field.upper()}={value!r} (from env): " in message
        assert reason in message
        assert f"Example: RETINUE_{field.upper()}=" in message

    def test_lists_all_bad_settings_at_once(self, set_variables: SetVariables) -> None:
        set_variables(history_days="0", log_format="xml")
        Path(".env").write_text("RETINUE_MANAGER_PORT=none\n")

        message = refusal()

        assert message.startswith("3 settings are wrong:")
        assert "RETINUE_MANAGER_PORT='none' (from .env)" in message
        assert "RETINUE_HISTORY_DAYS='0' (from env)" in message

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("secret_key", HIDDEN),
            ("secret_key", f"k1:{HIDDEN}"),
            ("secret_key", f"k 1:{SOUND_KEY.partition(':')[2]}"),
            ("secret_keys_retired", f"{SOUND_KEY},{HIDDEN}"),
            ("database_url", f"postgres://u:{HIDDEN}@h/db"),
            ("database_url", f"u:{HIDDEN}@h/db"),
            ("database_url", f"postgresql://u:{HIDDEN}%zz@h/db"),
            ("database_url", f"postgresql://u:{HIDDEN}@[::1/db"),
            ("database_url", f"postgresql://u:{HIDDEN}/x@h/db"),
            ("database_url", f"host=h password={HIDDEN}"),
            ("sqs_endpoint_url", f"http://u:{HIDDEN}@h"),
            ("sqs_endpoint_url", f"http://u:{HIDDEN}/x@h"),
        ],
    )
    def test_never_shows_a_secret(self, field: str, value: str, set_variables: SetVariables) -> None:
        set_variables(**{field: value})

        message = refusal()

        assert f"RETINUE_{field.upper()}=" in message
        assert "***" in message
        assert HIDDEN not in message

    def test_does_not_carry_the_values_in_its_cause(self, set_variables: SetVariables) -> None:
        set_variables(secret_key=HIDDEN)
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
        assert caught.value.__suppress_context__
        assert caught.value.__cause__ is None

    def test_a_setting_that_is_given_must_exist(self) -> None:
        with pytest.raises(
            ConfigurationError, match=r"histroy_days: there is no such setting\. Did you mean RETINUE_HIST"
        ):
            load_settings(histroy_days=3)

    def test_names_the_lines_of_dotenv_that_it_cannot_make_out(self) -> None:
        Path(".env").write_text(
            "RETINUE_HISTORY_DAYS=7\n\n# a comment\n= nameless\nRETINUE_LOG_LEVEL\nOTHER\n'open=1\n"
        )
        message = refusal()
        assert ".env: cannot make out line 4, 5, 7:" in message

    def test_says_that_dotenv_is_no_text(self) -> None:
        Path(".env").write_bytes(b"RETINUE_LOG_LEVEL=\xff\n")
        assert refusal().startswith(".env cannot be read: ")


class TestRows:
    def test_show_every_setting_and_no_secret(self, set_variables: SetVariables) -> None:
        key = Key("k1", HIDDEN.encode().ljust(32, b"x"))
        set_variables(
            database_url=f"postgresql://u:{HIDDEN}@h/db",
            manager_password=HIDDEN,
            secret_key=key.render(),
            servants="a.b=2,c.d=1",
        )
        settings = load_settings()

        shown = {row.name: row.value for row in settings.rows()}

        assert list(shown) == [f"RETINUE_{field.upper()}" for field in Settings.model_fields]
        assert shown["RETINUE_DATABASE_URL"] == "postgresql://u:***@h/db"
        assert shown["RETINUE_MANAGER_PASSWORD"] == shown["RETINUE_SECRET_KEY"] == "***"
        assert shown["RETINUE_SECRET_KEYS_RETIRED"] == "(not set)"
        assert shown["RETINUE_SERVANTS"] == "a.b=2,c.d=1"
        everything = repr(settings) + repr(settings.rows())
        assert HIDDEN not in everything
        assert key.render() not in everything


class TestCheck:
    def test_a_fresh_machine_has_no_error(self) -> None:
        assert found(load_settings()) == {("warning", "secret_key")}

    def test_a_sound_installation_has_no_finding(self) -> None:
        settings = load_settings(
            environment="prod",
            database_url="postgresql://h/db",
            secret_key=generate_key().render(),
            log_format="json",
            manager_host="0.0.0.0",  # noqa: S104 - what is tested
            manager_password="another",
        )
        assert settings.check() == []

    def test_outside_local_the_local_defaults_will_not_do(self) -> None:
        found_in_prod = found(load_settings(environment="prod"))
        assert found_in_prod == {("error", "secret_key"), ("error", "database_url"), ("warning", "log_format")}

    @pytest.mark.parametrize(("heartbeat", "is_error"), [(5, False), (14.9, False), (15, True), (40, True)])
    def test_a_lease_outlives_one_late_heartbeat(self, heartbeat: float, is_error: bool) -> None:
        settings = load_settings(lease_seconds=30, heartbeat_seconds=heartbeat)
        assert (("error", "heartbeat_seconds") in found(settings)) is is_error

    @pytest.mark.parametrize(
        ("host", "is_error"),
        [
            ("127.0.0.1", False),
            ("127.1.2.3", False),
            ("::1", False),
            ("localhost", False),
            ("0.0.0.0", True),  # noqa: S104 - what is tested
            ("h", True),
        ],
    )
    def test_the_default_password_stays_on_this_machine(self, host: str, is_error: bool) -> None:
        assert (("error", "manager_password") in found(load_settings(manager_host=host))) is is_error
        assert ("error", "manager_password") not in found(load_settings(manager_host=host, manager_password="own"))

    def test_groups_of_an_identity_provider_have_roles(self) -> None:
        roles = load_settings(oidc_roles=" sre=admin, a=b=viewer,").oidc_roles
        assert roles == {"sre": "admin", "a=b": "viewer"}
        assert load_settings().oidc_roles is None

    @pytest.mark.parametrize(
        ("issuer", "is_error"),
        [
            ("https://id.example.com", False),
            ("http://id.example.com", True),
            ("http://127.0.0.1:9000", False),
            ("http://localhost:9000", False),
        ],
    )
    def test_an_identity_provider_is_believed_over_https_alone(self, issuer: str, is_error: bool) -> None:
        settings = load_settings(oidc_issuer=issuer, oidc_client_id="retinue")
        assert (("error", "oidc_issuer") in found(settings)) is is_error

    def test_an_identity_provider_and_what_it_knows_us_as_go_together(self) -> None:
        assert ("error", "oidc_issuer") in found(load_settings(oidc_issuer="https://id.example.com"))
        assert ("warning", "oidc_client_id") in found(load_settings(oidc_client_id="retinue"))

    def test_whoever_sends_letters_says_from_whom_and_whereto_they_lead(self) -> None:
        assert ("error", "smtp_url") in found(load_settings(smtp_url="smtps://mail.example.com"))
        whole = load_settings(
            smtp_url="smtps://mail.example.com",
            mail_from="retinue@example.com",
            manager_url="https://retinue.example.com",
        )
        assert ("error", "smtp_url") not in found(whole)

    @pytest.mark.parametrize("url", ["mail.example.com:25", "smtp://u:hunter2@h:port", "smtps://u:hunter2@h/x"])
    def test_an_address_that_is_no_mail_server_s_is_told_without_its_password(
        self, url: str, set_variables: SetVariables
    ) -> None:
        set_variables(smtp_url=url)
        message = refusal()
        assert "must be smtps://USER:PASSWORD@HOST:PORT or smtp://USER:PASSWORD@HOST:PORT" in message
        assert "hunter2" not in message

    @pytest.mark.parametrize(
        ("login_url", "is_error"), [("http://login.example.com", True), ("http://127.0.0.1:8650", False)]
    )
    def test_tokens_of_salesforce_come_over_https(self, login_url: str, is_error: bool) -> None:
        settings = load_settings(salesforce_client_id="3MVG9", salesforce_login_url=login_url)
        assert (("error", "salesforce_login_url") in found(settings)) is is_error

    def test_a_secret_of_no_app_is_not_used(self) -> None:
        assert ("warning", "salesforce_client_secret") in found(load_settings(salesforce_client_secret="x"))

    def test_a_server_of_sqs_is_not_used_where_postgresql_carries_the_messages(self) -> None:
        settings = load_settings(transport="postgres", sqs_endpoint_url="http://127.0.0.1:5000")
        assert ("warning", "sqs_endpoint_url") in found(settings)
        assert ("warning", "sqs_endpoint_url") not in found(load_settings(transport="postgres"))

    def test_reports_names_that_match_no_setting(self, set_variables: SetVariables) -> None:
        set_variables(log_levle="debug", zzz="1")
        Path(".env").write_text("RETINUE_HISTROY_DAYS=3\nOTHER=1\n")

        messages = {
            finding.setting: finding.message for finding in load_settings().check() if "no such" in finding.message
        }

        assert messages == {
            "RETINUE_LOG_LEVLE": "There is no such setting. Did you mean RETINUE_LOG_LEVEL?",
            "RETINUE_HISTROY_DAYS": "There is no such setting. Did you mean RETINUE_HISTORY_DAYS?",
            "RETINUE_ZZZ": "There is no such setting.",
        }

    def test_errors_come_before_warnings(self, set_variables: SetVariables) -> None:
        set_variables(aaa="1", heartbeat_seconds="20")
        assert [finding.level for finding in load_settings().check()] == ["error", "warning", "warning"]

    def test_a_key_file_is_looked_at(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        settings = load_settings(secret_key_file=path)
        assert found(settings) == {("error", "secret_key_file")}

        write_key_file(path)
        assert found(settings) == set()

        path.chmod(0o640)
        assert found(settings) == {("warning", "secret_key_file")}

        path.write_text("no key\n")
        assert found(settings) == {("error", "secret_key_file")}

    def test_of_two_keys_set_one_is_in_use(self, tmp_path: Path) -> None:
        write_key_file(tmp_path / "keys")
        settings = load_settings(secret_key_file=tmp_path / "keys", secret_key=generate_key().render())
        assert found(settings) == {("warning", "secret_key_file")}
