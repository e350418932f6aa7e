"""Texts in the charset they name, in another, in none."""

from __future__ import annotations

from tests.support.mail_cases import ANYTHING, MailCase, mail

_UNKNOWN = "unknown charset"
_MISFIT = "does not fit the charset"

_GERMAN = "Über die Straße zu gehen, während Kühe Äpfel mögen, gefällt Jürgen größtenteils schön."
_RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю. Привет всем друзьям."
_JAPANESE = "いろはにほへと ちりぬるを わかよたれそ つねならむ 日本語の文章です。"
_CHINESE = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏。这是一封测试邮件。"
_KOREAN = "다람쥐 헌 쳇바퀴에 타고파. 안녕하세요 여러분, 반갑습니다."
_GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία, καλημέρα σας."

#: (charset as named, codec that wrote the text, text)
_FITTING = (
    ("us-ascii", "ascii", "Hello."),
    ("utf-8", "utf-8", _GERMAN),
    ("UTF8", "utf-8", _RUSSIAN),
    ('"utf-8"', "utf-8", _GREEK),
    ("utf_8", "utf-8", _GERMAN),
    ("unicode-1-1-utf-8", "utf-8", _GERMAN),
    ("utf-16", "utf-16", _GERMAN),
    ("utf-16le", "utf-16-le", _GERMAN),
    ("utf-7", "utf-7", _GERMAN),
    ("unicode-1-1-utf-7", "utf-7", _JAPANESE),
    ("iso-8859-1", "latin-1", _GERMAN),
    ("latin1", "latin-1", _GERMAN),
    ("iso-8859-1", "cp1252", "“Curly” – 5 €"),
    ("windows-1252", "cp1252", _GERMAN),
    ("cp-1252", "cp1252", _GERMAN),
    ("x-ansi", "cp1252", _GERMAN),
    ("iso-8859-15", "iso-8859-15", _GERMAN),
    ("iso-8859-2", "iso-8859-2", "Příliš žluťoučký kůň"),
    ("windows-1250", "cp1250", "Příliš žluťoučký kůň"),
    ("windows-1251", "cp1251", _RUSSIAN),
    ("koi8-r", "koi8-r", _RUSSIAN),
    ("koi8-u", "koi8-u", "Привіт, світе"),
    ("iso-8859-7", "iso-8859-7", "Καλημέρα"),
    ("iso-8859-8-i", "iso-8859-8", "שלום עולם"),
    ("iso-8859-9", "cp1254", "Şişli'de güneş"),
    ("tis-620", "cp874", "สวัสดี"),
    ("gb2312", "gb2312", _CHINESE),
    ("gb2312", "gb18030", "镕 and 㐀"),
    ("gbk", "gbk", _CHINESE),
    ("gb18030", "gb18030", _CHINESE),
    ("hz-gb-2312", "hz", "你好"),
    ("big5", "big5", "天地玄黃"),
    ("iso-2022-jp", "iso2022_jp", _JAPANESE),
    ("shift_jis", "cp932", _JAPANESE + "①"),
    ("x-sjis", "cp932", _JAPANESE),
    ("euc-jp", "euc_jp", _JAPANESE),
    ("ks_c_5601-1987", "cp949", _KOREAN),
    ("euc-kr", "euc_kr", _KOREAN),
    ("macintosh", "mac-roman", _GERMAN),
    ("ibm850", "cp850", _GERMAN),
)

#: (name, charset as named, the bytes, the text, words of the problem or None)
_ODD: tuple[tuple[str, str | None, bytes, str, str | None], ...] = (
    ("none_utf8", None, _GERMAN.encode(), _GERMAN, None),
    ("none_latin1", None, _GERMAN.encode("latin-1"), _GERMAN, None),
    ("ascii_but_utf8", "us-ascii", _GERMAN.encode(), _GERMAN, _MISFIT),
    ("ascii_but_latin1", "us-ascii", _GERMAN.encode("latin-1"), _GERMAN, _MISFIT),
    ("utf8_but_latin1", "utf-8", _GERMAN.encode("latin-1"), _GERMAN, _MISFIT),
    ("utf8_but_russian", "utf-8", (_RUSSIAN * 3).encode("cp1251"), _RUSSIAN * 3, _MISFIT),
    ("unknown_ascii", "x-nonsense", b"Hello.", "Hello.", _UNKNOWN),
    ("unknown_utf8", "unknown-8bit", _RUSSIAN.encode(), _RUSSIAN, _UNKNOWN),
    ("unknown_russian", "x-user-defined", (_RUSSIAN * 3).encode("koi8-r"), _RUSSIAN * 3, _UNKNOWN),
    ("unknown_short", "x-unknown", b"\xfcber", "über", _UNKNOWN),
    ("utf8_one_error", "utf-8", (_GERMAN + " ").encode() + b"\xff" + b" and so on", _GERMAN + " � and so on", _MISFIT),
    ("utf8_cut_off", "utf-8", _GERMAN.encode() + b"\xc3", _GERMAN + "�", _MISFIT),
    ("utf8_surrogate", "utf-8", _GERMAN.encode() + b"\xed\xa0\x80", _GERMAN + "���", _MISFIT),
    ("nul", "utf-8", b"Hel\0lo.", "Hello.", None),
    ("controls", "utf-8", b"Hel\x08\x0clo.\tx", "Hello.\tx", None),
    ("name_with_junk", "utf-8; format=flowed", _GERMAN.encode(), _GERMAN, None),
    ("name_like_a_path", "../../etc/passwd", b"Hello.", "Hello.", _UNKNOWN),
    ("name_of_a_module", "encodings.aliases", b"Hello.", "Hello.", _UNKNOWN),
    ("name_base64", "base64", b"SGVsbG8=", "SGVsbG8=", _UNKNOWN),
    ("name_zlib", "zlib", b"Hello.", "Hello.", _UNKNOWN),
    ("name_idna", "idna", b"xn--bcher-kva", "xn--bcher-kva", _UNKNOWN),
    ("name_undefined", "undefined", b"Hello.", "Hello.", _UNKNOWN),
    ("name_overlong", "x" * 10_000, b"Hello.", "Hello.", _UNKNOWN),
    ("name_empty", '""', b"Hello.", "Hello.", None),
    ("mixed_ends", "utf-8", b"a\r\nb\nc\rd", "a\nb\nc\nd", None),
)


def _message(charset: str | None, data: bytes) -> bytes:
    type_ = f"Content-Type: text/plain; charset={charset}" if charset is not None else "Content-Type: text/plain"
    return mail(type_, "Content-Transfer-Encoding: 8bit", body=data)


CHARSETS = (
    *(
        MailCase(f"charset_{at}_{named.strip(chr(34))}", _message(named, text.encode(codec)), {"text": text})
        for at, (named, codec, text) in enumerate(_FITTING)
    ),
    *(
        MailCase(f"charset_{name}", _message(named, data), {"text": text}, problem)
        for name, named, data, text, problem in _ODD
    ),
    MailCase("charset_half_pair_in_utf7", _message("utf-7", b"x+2AA-y"), {}, ANYTHING),
    MailCase("charset_half_pair_in_utf16", _message("utf-16-le", b"x\0\0\xd8y\0"), {}, ANYTHING),
    MailCase("charset_utf16_odd", _message("utf-16-le", b"x\0y"), {}, ANYTHING),
    MailCase("charset_noise", _message("utf-8", bytes(range(1, 256)) * 50), {}, ANYTHING),
    MailCase("charset_noise_unknown", _message("x-what", bytes(range(1, 256)) * 500), {}, ANYTHING),
)
