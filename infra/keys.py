"""Master keys: what they are, how they are written, and the file they may live in."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from retinue.errors import ConfigurationError

KEY_BYTES = 32
MAX_KEY_ID_LENGTH = 32
KEY_ID = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_KEY_ID_LENGTH}}}")

_SHAPE = f"ID:KEY, where ID is up to {MAX_KEY_ID_LENGTH} letters, digits, . _ - and KEY is {KEY_BYTES} bytes in base64"


@dataclass(frozen=True, slots=True)
class Key:
    """A master key and the name that sealed values know it by."""

    id: str
    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not KEY_ID.fullmatch(self.id):
            raise ConfigurationError(f"A key is {_SHAPE}; the id of this one does not fit.")
        if len(self.material) != KEY_BYTES:
            raise ConfigurationError(f"A key is {_SHAPE}; this one has {len(self.material)} bytes.")

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key written as `ID:KEY`.

        Raises:
            ConfigurationError: the text is not of that shape; the message does not repeat it.
        """
        key_id, colon, encoded = text.strip().partition(":")
        if not colon:
            raise ConfigurationError(f"A key is {_SHAPE}; this one has no colon.")
        try:
            material = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ConfigurationError(f"A key is {_SHAPE}; this one is not base64 after the colon.") from None
        return cls(key_id, material)

    def render(self) -> str:
        """The key as `parse` reads it. It is the secret itself: for a key file or a screen, never for logs."""
        return f"{self.id}:{base64.b64encode(self.material).decode('ascii')}"


def generate_key() -> Key:
    """A new random key with a new random id."""
    return Key(f"k{secrets.token_hex(4)}", secrets.token_bytes(KEY_BYTES))


def parse_keys(texts: Iterable[str]) -> list[Key]:
    """The keys in `texts`, of which empty ones and comments (`#`) are passed over.

    Raises:
        ConfigurationError: one of them is no key; the message counts which.
    """
    keys = []
    for number, text in enumerate(texts, start=1):
        if text.strip() and not text.strip().startswith("#"):
            try:
                keys.append(Key.parse(text))
            except ConfigurationError as error:
                raise ConfigurationError(f"Entry {number}: {error.message}") from None
    return keys


def read_key_file(path: Path) -> list[Key]:
    """The keys of a key file, one to a line, of which the first seals and the others only open.

    Raises:
        ConfigurationError: the file cannot be read, holds no key, or a line is no key.
    """
    try:
        keys = parse_keys(path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The key file {path} cannot be read: {_reason(error)}.") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"The key file {path} cannot be used. {error.message}") from None
    if not keys:
        raise ConfigurationError(f"The key file {path} holds no key: it needs a line of the shape {_SHAPE}.")
    return keys


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is no text"


def readable_by_others(path: Path) -> bool:
    """Whether people other than the file's owner may read it.

    Raises:
        OSError: the file cannot be looked at.
    """
    return bool(path.stat().st_mode & 0o077)


def write_key_file(path: Path) -> Key:
    """Make a key and write it to a new file that only its owner may read; the file appears whole or not at all.

    Raises:
        ConfigurationError: there is such a file already, which is left as it is, or it cannot be written.
    """
    key = generate_key()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create_whole(path, f"{key.render()}\n")
    except OSError as error:
        kept = " It was kept, because its key may be in use." if path.exists() else ""
        raise ConfigurationError(f"The key file {path} cannot be made: {_reason(error)}.{kept}") from None
    return key


def _create_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)  # unlike a rename, this refuses to replace a file
    finally:
        draft.unlink()
