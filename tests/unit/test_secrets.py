from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.keys import readable_by_others
from infra.secrets import Key, Keyring, SecretError, generate_key, has_bare_form, read_key_file, write_key_file
from infra.settings import Settings
from retinue.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
OLD = Key("k-old", bytes(range(32)))
NEW = Key("k-new", bytes(range(32, 64)))
VALUE = b'{"password": "hunter2"}'
PLACE = "connection:7"
OWNER = "account:7"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("RETINUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def keyring() -> Keyring:
    return Keyring(NEW, (OLD,))


def make_settings(**given: object) -> Settings:
    return Settings.model_validate(given)


class TestSealing:
    @settings(max_examples=50, deadline=None)
    @given(value=st.binary(max_size=200), place=st.text(max_size=30))
    def test_what_is_sealed_opens_again(self, value: bytes, place: str) -> None:
        keyring = Keyring(NEW)
        assert keyring.open(keyring.seal(value, context=place), context=place) == value

    def test_hides_the_value_and_the_keys(self, keyring: Keyring) -> None:
        sealed = keyring.seal(VALUE, context=PLACE)
        assert VALUE not in sealed
        assert b"hunter2" not in sealed
        assert NEW.material not in sealed

    def test_the_same_value_never_looks_the_same(self, keyring: Keyring) -> None:
        first, second = (keyring.seal(VALUE, context=PLACE) for _ in range(2))
        header = 2 + len(NEW.id)
        assert first[:header] == second[:header]
        assert not any(first[at : at + 12] == second[at : at + 12] for at in range(header, len(first) - 12))

    def test_begins_with_version_and_key_id(self, keyring: Keyring) -> None:
        sealed = keyring.seal(VALUE, context=PLACE)
        assert sealed.startswith(b"\x01\x05k-new")
        assert len(sealed) == 7 + 12 + 48 + 12 + len(VALUE) + 16

    def test_a_retired_key_still_opens(self, keyring: Keyring) -> None:
        assert keyring.open(Keyring(OLD).seal(VALUE, context=PLACE), context=PLACE) == VALUE


class TestRefusing:
    def test_every_altered_byte_is_noticed(self, keyring: Keyring) -> None:
        sealed = keyring.seal(VALUE, context=PLACE)
        for position in range(len(sealed)):
            for flip in (0x01, 0x80):
                altered = bytearray(sealed)
                altered[position] ^= flip
                with pytest.raises(SecretError):
                    keyring.open(bytes(altered), context=PLACE)

    def test_every_cut_is_noticed(self, keyring: Keyring) -> None:
        sealed = keyring.seal(VALUE, context=PLACE)
        for length in range(len(sealed)):
            with pytest.raises(SecretError):
                keyring.open(sealed[:length], context=PLACE)
        with pytest.raises(SecretError):
            keyring.open(sealed + b"\0", context=PLACE)

    @pytest.mark.parametrize("other", ["connection:8", "connection:70", "connection:", "", "Connection:7"])
    def test_it_opens_at_its_own_place_only(self, keyring: Keyring, other: str) -> None:
        sealed = keyring.seal(VALUE, context=PLACE)
        with pytest.raises(SecretError, match="does not open with key 'k-new'"):
            keyring.open(sealed, context=other)

    def test_parts_of_two_sealed_values_do_not_mix(self, keyring: Keyring) -> None:
        mine, yours = keyring.seal(VALUE, context=PLACE), keyring.seal(b"another", context=PLACE)
        value_at = 7 + 12 + 48
        with pytest.raises(SecretError):
            keyring.open(mine[:value_at] + yours[value_at:], context=PLACE)

    def test_an_unknown_key_is_named_with_those_that_are_known(self, keyring: Keyring) -> None:
        sealed = Keyring(Key("k-lost", bytes(32))).seal(VALUE, context=PLACE)
        with pytest.raises(SecretError) as caught:
            keyring.open(sealed, context=PLACE)
        message = str(caught.value)
        assert "connection:7 was sealed with key 'k-lost', which is not configured (known: k-new, k-old)" in message
        assert "RETINUE_SECRET_KEYS_RETIRED" in message

    def test_another_key_of_the_same_id_is_told(self) -> None:
        sealed = Keyring(Key("k-new", bytes(32))).seal(VALUE, context=PLACE)
        with pytest.raises(SecretError, match="the configured key of that id is not the one that sealed it"):
            Keyring(NEW).open(sealed, context=PLACE)

    @pytest.mark.parametrize("wrong", [b"", b"\x01", b"hunter2 in the clear, and long enough to be something" * 3])
    def test_what_was_never_sealed_is_told_and_not_shown(self, keyring: Keyring, wrong: bytes) -> None:
        with pytest.raises(SecretError, match="is no sealed value of version 1") as caught:
            keyring.open(wrong, context=PLACE)
        assert "hunter2" not in str(caught.value)

    def test_no_message_or_repr_shows_a_key(self, keyring: Keyring) -> None:
        with pytest.raises(SecretError) as caught:
            keyring.open(keyring.seal(VALUE, context="a"), context="b")
        shown = f"{caught.value!r} {caught.value.__cause__!r} {keyring!r}"
        assert NEW.material.decode() not in shown
        assert repr(NEW.material) not in shown
        assert NEW.render() not in shown

    def test_is_a_matter_of_configuration(self) -> None:
        assert issubclass(SecretError, ConfigurationError)


class TestDataKeys:
    @settings(max_examples=50, deadline=None)
    @given(value=st.binary(max_size=200), place=st.text(max_size=30))
    def test_what_is_sealed_opens_again(self, value: bytes, place: str) -> None:
        keyring = Keyring(NEW)
        wrapped = keyring.new_data_key(context=OWNER)
        sealed = keyring.unwrap(wrapped, context=OWNER).seal(value, context=place)
        assert has_bare_form(sealed)
        assert keyring.unwrap(wrapped, context=OWNER).open(sealed, context=place) == value

    def test_every_altered_byte_is_noticed(self, keyring: Keyring) -> None:
        wrapped = keyring.new_data_key(context=OWNER)
        data_key = keyring.unwrap(wrapped, context=OWNER)
        sealed = data_key.seal(VALUE, context=PLACE)
        for position in range(len(sealed)):
            altered = bytearray(sealed)
            altered[position] ^= 1
            with pytest.raises(SecretError):
                data_key.open(bytes(altered), context=PLACE)
        for position in range(len(wrapped)):
            altered = bytearray(wrapped)
            altered[position] ^= 1
            with pytest.raises(SecretError):
                keyring.unwrap(bytes(altered), context=OWNER)
        for length in range(len(wrapped)):
            with pytest.raises(SecretError):
                keyring.unwrap(wrapped[:length], context=OWNER)
        with pytest.raises(SecretError):
            keyring.unwrap(wrapped + b"\0", context=OWNER)

    def test_it_opens_at_its_own_place_with_its_own_key_only(self, keyring: Keyring) -> None:
        wrapped, others = (keyring.new_data_key(context=OWNER) for _ in range(2))
        sealed = keyring.unwrap(wrapped, context=OWNER).seal(VALUE, context=PLACE)
        with pytest.raises(SecretError, match="data key of its account"):
            keyring.unwrap(wrapped, context=OWNER).open(sealed, context="connection:8")
        with pytest.raises(SecretError, match="data key of its account"):
            keyring.unwrap(others, context=OWNER).open(sealed, context=PLACE)
        with pytest.raises(SecretError):
            keyring.unwrap(wrapped, context="account:8")

    def test_the_two_forms_of_values_do_not_mix(self, keyring: Keyring) -> None:
        data_key = keyring.unwrap(keyring.new_data_key(context=OWNER), context=OWNER)
        with pytest.raises(SecretError):
            keyring.open(data_key.seal(VALUE, context=PLACE), context=PLACE)
        with pytest.raises(SecretError):
            data_key.open(keyring.seal(VALUE, context=PLACE), context=PLACE)

    def test_no_repr_shows_it(self, keyring: Keyring) -> None:
        data_key = keyring.unwrap(keyring.new_data_key(context=OWNER), context=OWNER)
        assert repr(data_key.material) not in repr(data_key)


class TestRotation:
    def test_wraps_a_data_key_anew_and_leaves_what_it_sealed(self, keyring: Keyring) -> None:
        wrapped = Keyring(OLD).new_data_key(context=OWNER)
        sealed = Keyring(OLD).unwrap(wrapped, context=OWNER).seal(VALUE, context=PLACE)
        assert not keyring.is_current(wrapped, context=OWNER)

        moved = keyring.rewrap(wrapped, context=OWNER)

        assert keyring.is_current(moved, context=OWNER)
        assert Keyring(NEW).unwrap(moved, context=OWNER).open(sealed, context=PLACE) == VALUE
        with pytest.raises(SecretError):
            Keyring(OLD).unwrap(moved, context=OWNER)

    def test_tells_of_a_value_that_carries_its_own_data_key(self, keyring: Keyring) -> None:
        assert not keyring.is_current(Keyring(OLD).seal(VALUE, context=PLACE), context=PLACE)
        assert keyring.is_current(keyring.seal(VALUE, context=PLACE), context=PLACE)

    def test_refuses_what_does_not_open(self, keyring: Keyring) -> None:
        wrapped = bytearray(Keyring(OLD).new_data_key(context=OWNER))
        with pytest.raises(SecretError):
            keyring.rewrap(bytes(wrapped), context="account:8")
        wrapped[-1] ^= 1
        with pytest.raises(SecretError):
            keyring.rewrap(bytes(wrapped), context=OWNER)

    def test_asking_about_nonsense_is_an_error(self, keyring: Keyring) -> None:
        with pytest.raises(SecretError):
            keyring.is_current(b"nonsense", context=OWNER)


class TestKeys:
    def test_a_key_is_written_as_it_is_read(self) -> None:
        key = generate_key()
        assert Key.parse(f" {key.render()}\n") == key
        assert generate_key() != key

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("hunter2", "has no colon"),
            ("k1:hunter2!", "is not base64"),
            ("k1:aHVudGVyMg==", "has 7 bytes"),
            (f":{NEW.render().partition(':')[2]}", "the id of this one does not fit"),
            (f"{'k' * 33}:{NEW.render().partition(':')[2]}", "the id of this one does not fit"),
            (f"k/1:{NEW.render().partition(':')[2]}", "the id of this one does not fit"),
        ],
    )
    def test_what_is_no_key_is_told_and_not_shown(self, text: str, reason: str) -> None:
        with pytest.raises(ConfigurationError, match=reason) as caught:
            Key.parse(text)
        assert text not in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_two_keys_with_one_id_are_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="Several keys have the id k-new"):
            Keyring(NEW, (OLD, Key("k-new", bytes(32))))


class TestSettings:
    def test_the_key_may_stand_in_the_environment(self) -> None:
        found = Keyring.from_settings(make_settings(secret_key=NEW.render(), secret_keys_retired=f"{OLD.render()},"))
        assert found == Keyring(NEW, (OLD,))

    def test_the_key_may_stand_in_a_file_with_its_forerunners(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"# rotated in November\n{NEW.render()}\n\n{OLD.render()}\n")
        assert Keyring.from_settings(make_settings(secret_key_file=path)) == Keyring(NEW, (OLD,))

    def test_without_a_key_it_says_what_to_set(self) -> None:
        with pytest.raises(ConfigurationError, match="Set RETINUE_SECRET_KEY, or RETINUE_SECRET_KEY_FILE"):
            Keyring.from_settings(make_settings())


class TestKeyFile:
    def test_is_its_owners_alone_and_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "keys"
        key = write_key_file(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_key_file(path) == [key]
        assert not readable_by_others(path)
        assert list(path.parent.iterdir()) == [path]

    def test_never_replaces_another(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        key = write_key_file(path)
        with pytest.raises(ConfigurationError, match="It was kept, because its key may be in use"):
            write_key_file(path)
        assert read_key_file(path) == [key]
        assert list(tmp_path.iterdir()) == [path]

    def test_says_why_it_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigurationError, match=r"cannot be made: (Not a directory|File exists)\.$"):
            write_key_file(tmp_path / "file" / "keys")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
    def test_shows_when_others_may_reach_it(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "keys"
        write_key_file(path)
        path.chmod(mode)
        assert readable_by_others(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, r"cannot be read: No such file"),
            (b"", r"holds no key"),
            (b"# nothing\n", r"holds no key"),
            (b"\xff\xfe", r"cannot be read: it is no text"),
            (f"{NEW.render()}\nhunter2\n".encode(), r"cannot be used\. Entry 2: A key is .* has no colon"),
        ],
    )
    def test_says_what_is_wrong_with_it(self, tmp_path: Path, content: bytes | None, reason: str) -> None:
        path = tmp_path / "keys"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=reason) as caught:
            read_key_file(path)
        assert str(path) in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("module", ["infra.settings", "infra.logs", "infra.loop", "infra.secrets"])
def test_what_a_servant_imports_stays_small(module: str) -> None:
    """A servant has to stay below 80 MB, so these leave heavy libraries to whoever uses them."""
    heavy = ("sqlalchemy", "cryptography", "flask", "alembic", "caldav", "boto3")
    script = f"import sys, {module}; print(*(name for name in {heavy} if name in sys.modules))"
    found = subprocess.run(  # noqa: S603 - a script of our own
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == []
