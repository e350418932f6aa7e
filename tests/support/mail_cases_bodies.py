"""Bodies: transfer encodings, names of files, texts beside HTML, flowed text."""

from __future__ import annotations

import base64
import binascii

from tests.support.mail_cases import ANYTHING, MailCase, as_bytes, mail, multipart, part
from tests.support.mail_cases_structure import attachment

_PLAIN = part("text/plain; charset=utf-8", "Hello.")
_UMLAUTS = "Grüße aus Köln, schöne Tage und größte Freude wünscht Jürgen."
_DAMAGED = "base64 of a part is damaged"


def _encoded(encoding: str, body: str | bytes) -> bytes:
    return mail("Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}", body=body)


def _uuencoded(content: bytes) -> bytes:
    lines = b"".join(binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45))
    return b"begin 644 x.bin\n" + lines + b"`\nend\n"


#: (name, encoding as named, the body, the text, words of the problem or None)
_ENCODED: tuple[tuple[str, str, str | bytes, str | None, str | None], ...] = (
    ("base64", "base64", base64.encodebytes(_UMLAUTS.encode()), _UMLAUTS, None),
    ("base64_capitals", "BASE64", base64.encodebytes(_UMLAUTS.encode()), _UMLAUTS, None),
    ("base64_with_comment", "base64 (so to say)", base64.encodebytes(_UMLAUTS.encode()), _UMLAUTS, None),
    ("base64_semicolon", "base64;", base64.encodebytes(_UMLAUTS.encode()), _UMLAUTS, None),
    ("base64_one_line", "base64", base64.b64encode(_UMLAUTS.encode() * 50), _UMLAUTS * 50, None),
    ("base64_odd_lines", "base64", "SGV\r\nsb\r\n\r\nG8\r\nu", "Hello.", None),
    ("base64_no_padding", "base64", "SGVsbG8", "Hello", None),
    ("base64_short_padding", "base64", "SGVsbG8hIQ=", "Hello!!", None),
    ("base64_long_padding", "base64", "SGVsbG8=====", "Hello", None),
    ("base64_one_letter_over", "base64", "SGVsbG8uA", "Hello.", "is cut off"),
    ("base64_junk", "base64", "SGV*sb-G8u!!", "Hello.", _DAMAGED),
    ("base64_after_its_end", "base64", "SGVsbG8=\r\nfooter of the list", "Hello", "goes on after its end"),
    ("base64_that_is_none", "base64", "***", None, _DAMAGED),
    ("base64_empty", "base64", "", None, None),
    ("quoted_printable", "quoted-printable", "Gr=C3=BC=C3=9Fe", "Grüße", None),
    ("quoted_printable_lower", "quoted-printable", "Gr=c3=bc=c3=9fe", "Grüße", None),
    ("quoted_printable_soft", "quoted-printable", "Gr=C3=\r\n=BC=C3=9F=\r\ne", "Grüße", None),
    ("quoted_printable_soft_with_blank", "quoted-printable", "Hel= \r\nlo.", "Hello.", None),
    ("quoted_printable_bad_digits", "quoted-printable", "a =ZZ b", "a =ZZ b", None),
    ("quoted_printable_raw", "quoted-printable", "Grüße", "Grüße", None),
    ("quoted_printable_ends_in_equals", "quoted-printable", "Hello.=", "Hello.", None),
    ("quoted_printable_long_line", "quoted-printable", "=41" * 100_000, "A" * 100_000, None),
    ("quoted_printable_cut_within", "quoted-printable", "x" + "=C3=BC" * 60_000, "x" + "ü" * 60_000, None),
    ("uuencode", "x-uuencode", _uuencoded(b"Hello." * 30), "Hello." * 30, None),
    ("uuencode_overfull_line", "uuencode", "begin 644 x\n&2&5L;&\\NXXXX\n`\nend\n", "Hello.", ANYTHING),
    ("uuencode_no_end", "uuencode", _uuencoded(b"Hello.")[:-6], "Hello.", "has no end"),
    ("uuencode_no_beginning", "uuencode", "Hello.", None, "has no beginning"),
    ("seven_bit", "7bit", "Hello.", "Hello.", None),
    ("eight_bit_in_seven", "7bit", _UMLAUTS, _UMLAUTS, None),
    ("binary", "binary", _UMLAUTS, _UMLAUTS, None),
    ("unknown", "x-rot26", "Hello.", "Hello.", "unknown transfer encoding"),
    ("unknown_8bit", "8bits", "Hello.", "Hello.", "unknown transfer encoding"),
    ("empty_name", "", "Hello.", "Hello.", None),
)

#: (name, the part's header lines, the file's name)
_FILENAMES: tuple[tuple[str, str | bytes, str | None], ...] = (
    ("plain", "Content-Disposition: attachment; filename=a.pdf", "a.pdf"),
    ("quoted", 'Content-Disposition: attachment; filename="a b; c.pdf"', "a b; c.pdf"),
    ("escaped", r'Content-Disposition: attachment; filename="a\"b.pdf"', 'a"b.pdf'),
    ("unquoted_blanks", "Content-Disposition: attachment; filename=a b.pdf; size=3", "a b.pdf"),
    ("no_disposition", "X: y", "named.pdf"),
    ("word", "Content-Disposition: attachment; filename==?utf-8?Q?Gr=C3=BC=C3=9Fe.pdf?=", "Grüße.pdf"),
    ("word_quoted", 'Content-Disposition: attachment; filename="=?utf-8?B?R3LDvMOfZS5wZGY=?="', "Grüße.pdf"),
    (
        "words_folded",
        'Content-Disposition: attachment; filename="=?utf-8?Q?Gr=C3?=\r\n =?utf-8?Q?=BC=C3=9Fe.pdf?="',
        "Grüße.pdf",
    ),
    ("raw_utf8", 'Content-Disposition: attachment; filename="Grüße.pdf"', "Grüße.pdf"),
    ("raw_latin1", 'Content-Disposition: attachment; filename="Grüße.pdf"'.encode("latin-1"), "Grüße.pdf"),
    ("extended", "Content-Disposition: attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
    ("extended_latin1", "Content-Disposition: attachment; filename*=iso-8859-1'de'Gr%FC%DFe.pdf", "Grüße.pdf"),
    ("extended_no_charset", "Content-Disposition: attachment; filename*=''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
    ("extended_no_quotes", "Content-Disposition: attachment; filename*=Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
    ("pieces", "Content-Disposition: attachment; filename*0=long; filename*1=-name; filename*2=.pdf", "long-name.pdf"),
    ("pieces_out_of_order", "Content-Disposition: attachment; filename*1=.pdf; filename*0=name", "name.pdf"),
    (
        "pieces_ten",
        "Content-Disposition: attachment; " + "; ".join(f"filename*{at}={at}," for at in range(12)),
        "0,1,2,3,4,5,6,7,8,9,10,11,",
    ),
    (
        "pieces_extended",
        "Content-Disposition: attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC%C3%9Fe; filename*2=.pdf",
        "Grüße.pdf",
    ),
    ("path", 'Content-Disposition: attachment; filename="../../etc/passwd"', "passwd"),
    ("path_windows", r"Content-Disposition: attachment; filename=C:\temp\a.pdf", "a.pdf"),
    ("empty_falls_to_name", 'Content-Disposition: attachment; filename=""', "named.pdf"),
    ("nul", b"Content-Disposition: attachment; filename=a\0b.pdf", "a b.pdf"),
    ("long", "Content-Disposition: attachment; filename=" + "x" * 5000, "x" * 255),
    ("capitals", "CONTENT-DISPOSITION: ATTACHMENT; FILENAME=A.PDF", "A.PDF"),
    ("no_value", "Content-Disposition: attachment; filename", "named.pdf"),
)

#: (name, content type as written, as read)
_TYPES = (
    ("usual", "application/pdf", "application/pdf"),
    ("capitals", "Application/PDF", "application/pdf"),
    ("one_word", "pdf", "application/octet-stream"),
    ("three_words", "a/b/c", "application/octet-stream"),
    ("junk", "\x00\x01\x02", "application/octet-stream"),
    ("semicolon_first", "; name=x", "text/plain"),
    ("overlong", "application/" + "x" * 500, "application/octet-stream"),
    ("comment", "application/pdf (a file)", "application/pdf"),
)

_FLOWED = "text/plain; charset=utf-8; format=flowed"
#: (name, content type, body, text)
_FLOWS = (
    ("joined", _FLOWED, "Hello \r\nthere.\r\nBye.", "Hello there.\nBye."),
    ("delsp", _FLOWED + "; delsp=yes", "Hel \r\nlo.", "Hello."),
    ("quotes", _FLOWED, "> a \r\n> b\r\n>> c\r\nd", "> a b\n>> c\nd"),
    ("quote_depth_changes", _FLOWED, "> a \r\nb", "> a \nb"),
    ("stuffed", _FLOWED, "  indented\r\n >no quote", " indented\n>no quote"),
    ("signature", _FLOWED, "Bye. \r\n-- \r\nAnn", "Bye. \n-- \nAnn"),
    ("fixed", "text/plain; format=fixed", "Hello \r\nthere.", "Hello \nthere."),
)


def _attached(name: str, line: str | bytes, filename: str | None) -> MailCase:
    data = multipart("mixed", _PLAIN, part("application/pdf; name=named.pdf", "x", as_bytes(line)))
    return MailCase(f"filename_{name}", data, {"attachments": (attachment("2", b"x", filename=filename),)})


def _typed(name: str, written: str, read: str) -> MailCase:
    data = multipart("mixed", _PLAIN, part(written, "x", "Content-Disposition: attachment; filename=a.pdf"))
    return MailCase(f"type_{name}", data, {"attachments": (attachment("2", b"x", read),)})


BODIES = (
    *(
        MailCase(f"encoding_{name}", _encoded(named, body), {"text": text}, problem)
        for name, named, body, text, problem in _ENCODED
    ),
    *(_attached(*case) for case in _FILENAMES),
    *(_typed(*case) for case in _TYPES),
    *(
        MailCase(f"flowed_{name}", mail(f"Content-Type: {type_}", body=body), {"text": text})
        for name, type_, body, text in _FLOWS
    ),
    MailCase(
        "text_too_long",
        mail("Content-Type: text/plain", body="x" * 3_000_000),
        {"text": "x" * 1_048_576},
        "longer than 1024 kB",
    ),
    MailCase(
        "text_cut_within_a_character",
        mail("Content-Type: text/plain; charset=utf-8", body="x" + "ü" * 1_000_000),
        {"text": "x" + "ü" * 524_287},
        "longer than 1024 kB",
    ),
    MailCase(
        "text_in_two_too_long", multipart("mixed", *[part("text/plain", "x" * 700_000)] * 2), {}, "longer than 1024 kB"
    ),
    MailCase("text_blank", mail("Content-Type: text/plain", body=" \r\n\r\n"), {"text": None, "text_source": None}),
    MailCase(
        "uuencoded_attachment",
        multipart(
            "mixed",
            _PLAIN,
            part("application/pdf; name=a.pdf", _uuencoded(b"%PDF" * 99), "Content-Transfer-Encoding: x-uuencode"),
        ),
        {"attachments": (attachment("2", b"%PDF" * 99),)},
    ),
    MailCase(
        "encoding_of_binary_with_dashes",
        multipart(
            "mixed",
            _PLAIN,
            part("application/pdf; name=a.pdf", b"\n--\r\n--fron\0\r\n\n", "Content-Transfer-Encoding: binary"),
        ),
        {"attachments": (attachment("2", b"\n--\r\n--fron\0\r\n\n"),)},
    ),
)
