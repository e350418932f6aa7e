"""Envelope encryption of what must not be readable at rest, such as a connection's credentials.

Values are encrypted under data keys, and data keys under a master key of the keyring, all with AES-256-GCM. Whatever is
sealed is bound to its place (`context`, such as `connection:7`), so that it opens nowhere else. Three sorts of bytes:

    a wrapped data key  1 | length of key id (1) | key id | nonce (12) | sealed data key (48)
    a value, version 1  a wrapped data key of its own | nonce (12) | sealed value (n + 16)
    a value, version 2  2 | nonce (12) | sealed value (n + 16)

A value of version 2 is sealed under a data key that is kept elsewhere: `infra.postgres.account_keys` keeps one for each
account. Rotating the master key wraps the data keys again and leaves the values as they are.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.keys import KEY_BYTES, KEY_ID, Key, generate_key, parse_keys, read_key_file, write_key_file
from retinue.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from infra.settings import Settings

__all__ = ["DataKey", "Key", "Keyring", "SecretError", "generate_key", "read_key_file", "write_key_file"]

#: Of a wrapped data key and of a value that carries its own, and of a value that does not.
VERSION = 1
BARE_VERSION = 2
#: NIST SP 800-38D, section 8.2: 96 bits; random ones are safe for 2^32 seals under one key.
NONCE_BYTES = 12
TAG_BYTES = 16


class SecretError(ConfigurationError):
    """A sealed value cannot be opened: its key is missing or wrong, or the value was altered or moved."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that seals, and the retired ones that still open."""

    current: Key
    retired: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        ids = [key.id for key in (self.current, *self.retired)]
        twice = sorted({key_id for key_id in ids if ids.count(key_id) > 1})
        if twice:
            raise ConfigurationError(f"Several keys have the id {', '.join(twice)}: give each key an id of its own.")

    @classmethod
    def from_settings(cls, settings: Settings) -> Keyring:
        """The keyring that the settings name.

        Raises:
            ConfigurationError: there is no key, or one cannot be read; the message says which and how to mend it.
        """
        keys = _configured_keys(settings)
        retired = settings.secret_keys_retired
        keys += parse_keys(retired.get_secret_value().split(",")) if retired else []
        return cls(keys[0], tuple(keys[1:]))

    def seal(self, value: bytes, *, context: str) -> bytes:
        """`value` encrypted for the place `context` names, with a data key of its own."""
        data_key = secrets.token_bytes(KEY_BYTES)
        return self._wrap(data_key, context) + _encrypt(data_key, value, _value_binding(VERSION, context))

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """The value that was sealed for `context` with a data key of its own.

        Raises:
            SecretError: no such key, not the key that sealed it, altered bytes, or another context.
        """
        envelope = _Envelope.parse(sealed, context, holds_value=True)
        data_key = self._unwrap(envelope, context)
        return _decrypt(data_key, envelope.value, _value_binding(VERSION, context), envelope.refusal(context))

    def new_data_key(self, *, context: str) -> bytes:
        """A new data key for the place `context` names, wrapped."""
        return self._wrap(secrets.token_bytes(KEY_BYTES), context)

    def unwrap(self, wrapped: bytes, *, context: str) -> DataKey:
        """The data key that was wrapped for `context`.

        Raises:
            SecretError: as for `open`.
        """
        return DataKey(self._unwrap(_Envelope.parse(wrapped, context, holds_value=False), context))

    def rewrap(self, wrapped: bytes, *, context: str) -> bytes:
        """A data key wrapped by the current key; the data key itself stays, and all that it sealed.

        Raises:
            SecretError: as for `open`.
        """
        return self._wrap(self.unwrap(wrapped, context=context).material, context)

    def is_current(self, sealed: bytes, *, context: str) -> bool:
        """Whether a wrapped data key, or a value of version 1, depends on the current key alone.

        Raises:
            SecretError: these bytes are neither.
        """
        return _Envelope.parse(sealed, context, holds_value=None).key_id == self.current.id

    def _wrap(self, data_key: bytes, context: str) -> bytes:
        header = _header(self.current.id)
        return header + _encrypt(self.current.material, data_key, _key_binding(header, context))

    def _unwrap(self, envelope: _Envelope, context: str) -> bytes:
        master = self._find(envelope.key_id, context)
        binding = _key_binding(_header(master.id), context)
        return _decrypt(master.material, envelope.data_key, binding, envelope.refusal(context))

    def _find(self, key_id: str, context: str) -> Key:
        keys = (self.current, *self.retired)
        for key in keys:
            if key.id == key_id:
                return key
        known = ", ".join(key.id for key in keys)
        raise SecretError(
            f"The secret of {context} was sealed with key {key_id!r}, which is not configured (known: {known}). "
            "Add that key to RETINUE_SECRET_KEYS_RETIRED, or enter the secret anew."
        )


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear: for a moment, and never written."""

    material: bytes = field(repr=False)

    def seal(self, value: bytes, *, context: str) -> bytes:
        """`value` encrypted for the place `context` names."""
        version = bytes([BARE_VERSION])
        return version + _encrypt(self.material, value, _value_binding(BARE_VERSION, context))

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """The value that was sealed for `context` under this key.

        Raises:
            SecretError: another key sealed it, the bytes were altered, or it was sealed for another context.
        """
        refusal = SecretError(
            f"The secret of {context} does not open with the data key of its account: that key is another one by now, "
            "or the sealed value was altered or belongs elsewhere. Enter the secret anew."
        )
        if not has_bare_form(sealed):
            raise refusal
        return _decrypt(self.material, sealed[1:], _value_binding(BARE_VERSION, context), refusal)


def has_bare_form(sealed: bytes) -> bool:
    """Whether it is a value of version 2, which carries no data key."""
    return sealed[:1] == bytes([BARE_VERSION]) and len(sealed) >= 1 + NONCE_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class _Envelope:
    key_id: str
    data_key: bytes = field(repr=False)
    value: bytes = field(repr=False)

    @classmethod
    def parse(cls, sealed: bytes, context: str, *, holds_value: bool | None) -> _Envelope:
        """A wrapped data key and the value behind it, if there is to be one; None is either."""
        start = 2 + sealed[1] if len(sealed) > 1 else 2
        end = start + NONCE_BYTES + KEY_BYTES + TAG_BYTES
        key_id = sealed[2:start].decode("ascii", errors="replace")
        fits = {True: len(sealed) >= end + NONCE_BYTES + TAG_BYTES, False: len(sealed) == end, None: len(sealed) >= end}
        if sealed[:1] != bytes([VERSION]) or not fits[holds_value] or not KEY_ID.fullmatch(key_id):
            what = "wrapped data key" if holds_value is False else "sealed value"
            raise SecretError(f"The secret of {context} is no {what} of version {VERSION}: enter the secret anew.")
        return cls(key_id, sealed[start:end], sealed[end:])

    def refusal(self, context: str) -> SecretError:
        return SecretError(
            f"The secret of {context} does not open with key {self.key_id!r}: the configured key of that id is not the "
            "one that sealed it, or the sealed value was altered or belongs elsewhere. "
            "Configure the right key, or enter the secret anew."
        )


def _header(key_id: str) -> bytes:
    return bytes([VERSION, len(key_id)]) + key_id.encode("ascii")


def _key_binding(header: bytes, context: str) -> bytes:
    return b"retinue data key\0" + header + context.encode()


def _value_binding(version: int, context: str) -> bytes:
    # Without the key id, so that the value may stay as it is when its data key is wrapped again.
    return b"retinue value\0" + bytes([version]) + context.encode()


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _encrypt(key: bytes, value: bytes, binding: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, value, binding)


def _decrypt(key: bytes, sealed: bytes, binding: bytes, refusal: SecretError) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], binding)
    except InvalidTag:
        raise refusal from None


def _configured_keys(settings: Settings) -> list[Key]:
    if settings.secret_key is not None:
        return [Key.parse(settings.secret_key.get_secret_value())]
    if settings.secret_key_file is not None:
        return read_key_file(settings.secret_key_file)
    raise ConfigurationError(
        "There is no key to seal secrets with. Set RETINUE_SECRET_KEY, or RETINUE_SECRET_KEY_FILE to a file that "
        "holds one."
    )
