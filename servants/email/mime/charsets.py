"""Bytes into text, by the charset they name, or by the one they turn out to have."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from encodings.aliases import aliases
from functools import lru_cache

from servants.email.mime.notes import Notes

#: How many bytes are looked at to find out which charset they have.
SAMPLE = 16 * 1024
LEAST_SAMPLE = 32
#: A text with fewer characters beyond ASCII for each broken one is in another charset than it says.
TOLERANCE = 2

REPLACEMENT = "\ufffd"

#: Names that mail uses for another charset than they say, or that Python does not know (WHATWG Encoding §4.2 for most).
_MEANT = {
    "ascii": "us-ascii",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "l1": "cp1252",
    "x-ansi": "cp1252",
    "ansi": "cp1252",
    "x-cp1252": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "iso-8859-6-e": "iso-8859-6",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-2-0-utf-8": "utf-8",
    "x-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "euc-cn": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "big5hkscs",
    "x-big5": "big5hkscs",
    "cn-big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601-1989": "cp949",
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "ksc_5601": "cp949",
    "euc-kr": "cp949",
    "korean": "cp949",
    "windows-949": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc-jp",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ukrainian": "mac-cyrillic",
    "x-mac-ce": "mac-latin2",
}
#: Codecs of Python that make no text of bytes, or are meant for something else than text.
_NO_CHARSETS = frozenset(
    (
        *("base64_codec", "bz2_codec", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode", "quopri_codec"),
        *("raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "uu_codec", "zlib_codec"),
    )
)
_KNOWN = (
    frozenset(aliases) | frozenset(aliases.values()) | {"cp856", "cp874", "koi8_u", "mac_croatian"}
) - _NO_CHARSETS

#: What mail without a charset turns out to be in.
_LIKELY = [
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "mac_roman"),
]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,60}")
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NOT_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@lru_cache(maxsize=512)
def codec_of(charset: str) -> str | None:
    """The Python codec that reads a charset of mail; None where there is none."""
    match = _NAME.match(charset.strip(" \t\r\n\"'"))
    if match is None:
        return None
    name = match[0].lower()
    name = _MEANT.get(name, name)
    plain = re.sub(r"[^a-z0-9]+", "_", name)
    for spelt in (plain, plain.replace("_", "")):
        if spelt in _KNOWN and aliases.get(spelt) not in _NO_CHARSETS:
            return codecs.lookup(spelt).name
    return None


def decode(data: bytes, charset: str | None, notes: Notes, *, what: str = "the text") -> str:
    """Bytes as text. What does not fit the charset is noted, and read as the charset it fits best."""
    codec = codec_of(charset) if charset else "ascii"
    if codec is None:
        notes.add(f"{what} names an unknown charset")
        return _guessed(data)
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        if charset:
            notes.add(f"{what} does not fit the charset it names")
        return _misfit(data, codec)


def decode_beginning(data: bytes, charset: str | None, notes: Notes) -> str:
    """As `decode`, for bytes that were cut off: a character that the cut halved is left out."""
    codec = codec_of(charset or "ascii")
    if codec is None or codec == "ascii":
        codec = "utf-8"
    try:
        whole = codecs.getincrementaldecoder(codec)().decode(data, final=False)
    except (UnicodeError, ValueError):
        return decode(data, charset, notes)
    return whole


def decode_raw(data: bytes) -> str:
    """Bytes of a header that should have been ASCII: UTF-8 (RFC 6532), else Windows' Western charset."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def meta_charset(html: bytes) -> str | None:
    """The charset that an HTML document names itself, in its first 4 kB."""
    match = _META.search(html, 0, 4096)
    return match[1].decode("ascii") if match else None


def clean_text(text: str) -> str:
    """Text that PostgreSQL can hold, without NUL, other controls and halves of surrogate pairs; lines end in `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Nearly all is printable, which is known in a fifth of the time that the pattern takes.
    return text if text.replace("\n", "").isprintable() else _NOT_TEXT.sub(_cleaned, text)


def clean_line(text: str) -> str:
    """As `clean_text`, for what is one line: white space in it is single spaces, there is none around it."""
    if not text.isprintable():
        text = _NOT_A_LINE.sub(lambda match: REPLACEMENT if match[0] >= "\ud800" else " ", text)
    return " ".join(text.split())


def _cleaned(match: re.Match[str]) -> str:
    return REPLACEMENT if match[0] >= "\ud800" else ""


def _misfit(data: bytes, codec: str) -> str:
    """Bytes that are not wholly in the charset they name: a few damaged characters are replaced."""
    if codec != "ascii" and (text := _replaced(data, codec)) is not None:
        return text
    return _guessed(data)


def _replaced(data: bytes, codec: str) -> str | None:
    try:
        text = data.decode(codec, "replace")
    except (UnicodeError, ValueError):
        return None
    broken = text.count(REPLACEMENT)
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore")) - broken
    return text if broken * TOLERANCE <= beyond_ascii else None


def _guessed(data: bytes) -> str:
    """Text of unknown charset: UTF-8 if it is, else what its bytes look like."""
    readers: tuple[Callable[[bytes], str | None], ...] = (_as_utf8, _as_it_looks)
    for reader in readers:
        if (text := reader(data)) is not None:
            return text
    return data.decode("cp1252", "replace")


def _as_utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _replaced(data, "utf-8")


def _as_it_looks(data: bytes) -> str | None:
    """By charset-normalizer, which costs milliseconds and is asked last; a few bytes look like anything."""
    if len(data) < LEAST_SAMPLE:
        return None
    from charset_normalizer import from_bytes

    best = from_bytes(data[:SAMPLE], cp_isolation=_LIKELY).best()
    codec = codec_of(best.encoding) if best else None
    return _replaced(data, codec) if codec else None
