"""Texts from outside, as PostgreSQL can hold them."""

from __future__ import annotations


def storable(text: str) -> str:
    """`text` with U+FFFD for what no `text` column holds: NUL, and halves of a surrogate pair.

    PostgreSQL manual, "Character Types"; the Unicode Standard, §3.9 D92 for what UTF-8 may encode.
    """
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Encoded with the halves, a whole pair decodes as the character that it stands for.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
