"""One short name for all errors that say the same, whatever numbers, IDs, times and addresses they mention."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

#: Hexadecimal characters of a fingerprint.
LENGTH = 8

#: Characters of a message that are looked at; errors that differ only after so many count as one.
MAX_LOOKED_AT = 1000

#: What a fingerprint looks like.
_PATTERN = re.compile(rf"[0-9a-f]{{{LENGTH}}}")

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_ZONE = r"(?:\s?(?:Z\b|(?:UTC|GMT)\b|[+-]\d\d:?\d\d(?!\d)))?"

#: What a pattern needs to find anything: one of these characters, a figure, or nothing.
_FIGURE, _ALWAYS = "0", ""

#: What it needs, what it finds, and by what that is replaced. In this order: an ID in quotes is quoted, a number in a
#: time is part of the time.
_REPLACED = [
    # A URL keeps its scheme, host and path; a name and a password before the host go, the query and fragment too.
    (
        "/",
        r"(\b[A-Za-z][A-Za-z0-9+.-]{1,15}://)(?:[^\s/?#@'\"<>]{0,256}@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?",
        r"\1\2",
    ),
    ("'\"`“«", r"(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)\"[^\"\n]*\"(?!\w)|`[^`\n]*`|“[^”\n]*”|«[^»\n]*»", "<quoted>"),
    ("@", r"(?<![\w@.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}", "<address>"),
    (_FIGURE, rf"(?<!\d)\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK}{_ZONE})?(?!\d)", "<time>"),
    (_FIGURE, rf"(?:\b[A-Z][a-z]{{2}},?\s)?\b\d{{1,2}}\s{_MONTH}\s\d{{4}}(?:\s{_CLOCK}{_ZONE})?(?!\d)", "<time>"),
    (_FIGURE, rf"(?<![\d:]){_CLOCK}{_ZONE}(?![\d:])", "<time>"),
    (_FIGURE, r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f])", "<n>"),
    (_FIGURE, r"\b0[xX][0-9A-Fa-f]+", "<n>"),
    # An ID that happens to be all figures is a number, so the two look the same. Eight or more hexadecimal digits:
    (_FIGURE, r"(?<![A-Za-z0-9])(?=\d{0,64}[A-Fa-f])(?=[A-Fa-f]{0,64}\d)[0-9A-Fa-f]{8,}(?![A-Za-z0-9])", "<n>"),
    # Letters and figures mixed: six that begin with a figure, or ten.
    (_FIGURE, r"(?<![A-Za-z0-9])(?=\d{1,64}[A-Za-z])[A-Za-z0-9]{6,}(?![A-Za-z0-9])", "<n>"),
    (_FIGURE, r"(?<![A-Za-z0-9])(?=[A-Za-z]{1,64}\d)[A-Za-z0-9]{10,}(?![A-Za-z0-9])", "<n>"),
    (_FIGURE, r"(?:(?<![\w.])[+-])?\d+(?:[.,:]\d+)*", "<n>"),
    # Lists of such, however long.
    (_ALWAYS, r"<(n|time|quoted|address)>(?:\s?[,;]?\s?<\1>)+", r"<\1>"),
    (_ALWAYS, r"\s+", " "),
]
_COMPILED = [(frozenset(needs), re.compile(pattern), by) for needs, pattern, by in _REPLACED]


@lru_cache(maxsize=256)
def fingerprint(kind: str, message: str) -> str:
    """Eight hexadecimal characters that stay the same while only numbers, IDs, quoted values, queries or times change.

    `kind` is the error's class name. An HTTP status is a number like any other: 404 and 503 differ by their words.
    """
    told = f"{kind}\n{normalised(message)}"
    return sha256(told.encode(errors="replace")).hexdigest()[:LENGTH]


def normalised(message: str) -> str:
    """`message` with what changes from one time to the next replaced by what it is: `<n>`, `<time>`, `<quoted>` …"""
    text = message[:MAX_LOOKED_AT]
    there = {"0" if character.isdecimal() else character for character in set(text)}
    for needs, pattern, by in _COMPILED:
        # Looking for what is not there costs most, and bursts of errors come when there is no time for it.
        if not needs or not needs.isdisjoint(there):
            text = pattern.sub(by, text)
    return text.strip()


def is_fingerprint(text: str) -> bool:
    """Whether `text` looks like one."""
    return _PATTERN.fullmatch(text) is not None
