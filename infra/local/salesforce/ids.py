"""Record ids: 15 characters in which case counts, and 3 more that say the case again ("ID Field Type")."""

from __future__ import annotations

import re

#: In the order of their bytes, so that ids sort in the order they were made.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_POD = "5e0"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def make_id(prefix: str, number: int) -> str:
    """The id, 18 characters, of the object's record of this number."""
    return full_id(f"{prefix}{_POD}{_base62(number, width=9)}")


def full_id(fifteen: str) -> str:
    """15 characters with their 3 of check."""
    return fifteen + "".join(_check(fifteen[start : start + 5]) for start in (0, 5, 10))


def normal_id(text: str) -> str | None:
    """The 18 characters of an id given as 15, or as 18 in any case; None where it is no id."""
    if not _ID.fullmatch(text):
        return None
    if len(text) == 15:
        return full_id(text)
    return _restored(text[:15], text[15:].upper())


def _restored(letters: str, checks: str) -> str | None:
    if not all(check in _CHECKS for check in checks):
        return None
    upper = [bool(_CHECKS.index(check) >> place & 1) for check in checks for place in range(5)]
    fifteen = "".join(letter.upper() if high else letter.lower() for letter, high in zip(letters, upper, strict=True))
    whole = full_id(fifteen)
    return whole if whole.endswith(checks) else None


def _check(five: str) -> str:
    return _CHECKS[sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")]


def _base62(number: int, width: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits)).rjust(width, "0")
