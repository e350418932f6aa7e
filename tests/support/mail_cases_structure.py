"""Messages of several parts: usual ones, and boundaries that are missing, doubled, odd."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from servants.email.values import Attachment
from tests.support.mail_cases import ANYTHING, MailCase, as_bytes, mail, multipart, part

_PLAIN = part("text/plain; charset=utf-8", "Hello.")
_PDF = part("application/pdf; name=a.pdf", base64.encodebytes(b"%PDF-1.7"), "Content-Transfer-Encoding: base64")
_OPEN_END = "the end of a multipart is missing"
_NO_PART = "a multipart holds no part"
_NO_BOUNDARY = "a multipart names no boundary"


def attachment(
    part: str, content: bytes, content_type: str = "application/pdf", filename: str | None = "a.pdf", **more: Any
) -> Attachment:
    digest = hashlib.sha256(content).hexdigest()
    return Attachment(
        part=part, filename=filename, content_type=content_type, size=len(content), content_hash=digest, **more
    )


_A_PDF = attachment("2", b"%PDF-1.7")
_BOTH = {"text": "Hello.", "attachments": (_A_PDF,)}
_TEXT = {"text": "Hello.", "text_source": "plain", "attachments": ()}


def raw(*lines: str | bytes, content_type: str = "multipart/mixed; boundary=b") -> bytes:
    return mail(f"Content-Type: {content_type}", body=b"\r\n".join(as_bytes(line) for line in lines))


def nested(depth: int) -> bytes:
    """Multiparts within multiparts, and a text in the innermost."""
    inner = _PLAIN
    for level in range(depth):
        inner = multipart("mixed", inner, boundary=f"b{level}.")
    return inner


def nested_unended(depth: int) -> bytes:
    """The same, of which none ends."""
    opened = b"".join(
        (b"--b%d.\r\n" % (level - 1) if level else b"")
        + b'Content-Type: multipart/mixed; boundary="b%d."\r\n\r\n' % level
        for level in range(depth)
    )
    return opened + b"--b%d.\r\n" % (depth - 1) + _PLAIN


_USUAL = (
    MailCase(
        "parts_that_name_no_boundary",
        raw(
            "Content-Type: multipart/mixed; boundary=A",
            "",
            *("--A", "X: y", "Content-Type: multipart/x", "") * 400,
            f"--{' ' * 28_000}",
            "foo",
        ),
        {},
        ANYTHING,
    ),
    MailCase("parts_one", mail("Content-Type: text/plain", body="Hello."), _TEXT),
    MailCase("parts_mixed", multipart("mixed", _PLAIN, _PDF), _BOTH),
    MailCase("parts_mixed_line_feeds", multipart("mixed", _PLAIN, _PDF).replace(b"\r\n", b"\n"), _BOTH),
    MailCase("parts_mixed_carriage_returns", multipart("mixed", _PLAIN, _PDF).replace(b"\r\n", b"\r"), _BOTH),
    MailCase("parts_preamble", raw("Old readers see this.", "--b", "", "Hello.", "--b--", "and this"), _TEXT),
    MailCase("parts_two_texts", multipart("mixed", _PLAIN, _PLAIN), {"text": "Hello.\n\nHello.", "attachments": ()}),
    MailCase(
        "parts_signed",
        multipart("signed", _PLAIN, part("application/pgp-signature; name=s.asc", "sig")),
        {"text": "Hello.", "attachments": (attachment("2", b"sig", "application/pgp-signature", "s.asc"),)},
    ),
    MailCase(
        "parts_report",
        multipart(
            "report",
            _PLAIN,
            part("message/delivery-status", "Status: 5.1.1"),
            part("message/rfc822", "Subject: x\r\n\r\ny"),
        ),
        {
            "text": "Hello.",
            "attachments": (
                attachment("2", b"Status: 5.1.1", "message/delivery-status", None),
                attachment("3", b"Subject: x\r\n\r\ny", "message/rfc822", None),
            ),
        },
    ),
    MailCase(
        "parts_forwarded_is_an_attachment",
        multipart("mixed", _PLAIN, part("message/rfc822", _PLAIN)),
        {"text": "Hello.", "attachments": (attachment("2", _PLAIN, "message/rfc822", None),)},
    ),
    MailCase(
        "parts_digest",
        multipart("digest", b"\r\nSubject: x\r\n\r\ny"),
        {"text": None, "attachments": (attachment("1", b"Subject: x\r\n\r\ny", "message/rfc822", None),)},
    ),
    MailCase(
        "parts_nested_numbers", multipart("mixed", multipart("alternative", _PLAIN, boundary="inner"), _PDF), _BOTH
    ),
    MailCase(
        "parts_nested_attachment",
        multipart("mixed", multipart("mixed", _PLAIN, _PDF, boundary="inner"), _PDF),
        {"text": "Hello.", "attachments": (attachment("1.2", b"%PDF-1.7"), _A_PDF)},
    ),
    MailCase(
        "parts_text_attached",
        multipart("mixed", _PLAIN, part("text/plain", "log", "Content-Disposition: attachment; filename=x.log")),
        {"text": "Hello.", "attachments": (attachment("2", b"log", "text/plain", "x.log"),)},
    ),
    MailCase(
        "parts_text_named",
        multipart("mixed", _PLAIN, part("text/plain; name=x.log", "log")),
        {"text": "Hello.", "attachments": (attachment("2", b"log", "text/plain", "x.log"),)},
    ),
    MailCase(
        "parts_text_named_but_alone",
        multipart("mixed", part("text/plain; name=body.txt", "Hello."), part("text/plain; name=x.log", "log")),
        {"text": "Hello.", "attachments": (attachment("2", b"log", "text/plain", "x.log"),)},
    ),
    MailCase(
        "parts_only_attachment",
        part("application/pdf", "x", "Content-Disposition: attachment; filename=a.pdf"),
        {"text": None, "attachments": (attachment("1", b"x"),)},
    ),
    MailCase(
        "parts_calendar_beside_text",
        multipart("alternative", _PLAIN, part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR")),
        {"text": "Hello.", "attachments": (attachment("2", b"BEGIN:VCALENDAR", "text/calendar", None),)},
    ),
    MailCase(
        "parts_inline_picture",
        multipart("related", _PLAIN, part("image/png", "png", "Content-ID: <p1@x>")),
        {
            "text": "Hello.",
            "attachments": (attachment("2", b"png", "image/png", None, content_id="p1@x", inline=True),),
        },
    ),
    MailCase(
        "parts_disposition_inline",
        multipart("mixed", _PLAIN, part("image/png", "png", "Content-Disposition: inline; filename=p.png")),
        {"text": "Hello.", "attachments": (attachment("2", b"png", "image/png", "p.png", inline=True),)},
    ),
)

_BOUNDARIES = (
    MailCase("boundary_no_end", multipart("mixed", _PLAIN, _PDF, end=False), _BOTH, _OPEN_END),
    MailCase("boundary_cut_within_part", multipart("mixed", _PLAIN, _PDF)[:-30], {"text": "Hello."}, ANYTHING),
    MailCase(
        "boundary_missing", raw("--b", "", "Hello.", "--b--", content_type="multipart/mixed"), _TEXT, _NO_BOUNDARY
    ),
    MailCase(
        "boundary_empty",
        raw("--b", "Content-Type: text/plain", "", "Hello.", "--b--", content_type='multipart/mixed; boundary=""'),
        _TEXT,
        _NO_BOUNDARY,
    ),
    MailCase("boundary_missing_and_none", raw("Hello.", content_type="multipart/mixed"), _TEXT, _NO_BOUNDARY),
    MailCase("boundary_never_comes", raw("Hello.", content_type="multipart/mixed; boundary=x"), _TEXT, _NO_PART),
    MailCase("boundary_only_end", raw("--b--", "Hello."), {"text": None}, _NO_PART),
    MailCase("boundary_ends_first", raw("--b", "", "Hello.", "--b--", "--b", "", "unseen", "--b--"), _TEXT),
    MailCase("boundary_with_spaces_after", raw("--b  \t", "", "Hello.", "--b--   "), _TEXT),
    MailCase(
        "boundary_with_spaces",
        raw("--a b", "", "Hello.", "--a b--", content_type='multipart/mixed; boundary="a b"'),
        _TEXT,
    ),
    MailCase(
        "boundary_longer_in_text",
        raw("--b", "", "Hello.", "--bc", "--", "--b-", "--b--"),
        {"text": "Hello.\n--bc\n--\n--b-"},
    ),
    MailCase(
        "boundary_of_regex_letters",
        raw("--(.*)+?", "", "Hello.", "--(.*)+?--", content_type='multipart/mixed; boundary="(.*)+?"'),
        _TEXT,
    ),
    MailCase(
        "boundary_with_colon",
        raw("--a:b", "", "Hello.", "--a:b--", content_type='multipart/mixed; boundary="a:b"'),
        _TEXT,
    ),
    MailCase(
        "boundary_of_dashes",
        raw("------", "", "Hello.", "--------", content_type='multipart/mixed; boundary="----"'),
        _TEXT,
    ),
    MailCase(
        "boundary_with_equals",
        raw("--=_a", "", "Hello.", "--=_a--", content_type="multipart/mixed; boundary==_a"),
        _TEXT,
    ),
    MailCase(
        "boundary_unquoted_slash",
        raw("--a/b", "", "Hello.", "--a/b--", content_type="multipart/mixed; boundary=a/b"),
        _TEXT,
    ),
    MailCase(
        "boundary_open_quote", raw("--b", "", "Hello.", "--b--", content_type='multipart/mixed; boundary="b'), _TEXT
    ),
    MailCase(
        "boundary_long",
        raw(
            "--" + "b" * 150,
            "",
            "Hello.",
            "--" + "b" * 150 + "--",
            content_type="multipart/mixed; boundary=" + "b" * 150,
        ),
        _TEXT,
    ),
    MailCase(
        "boundary_not_ascii", raw("--ü", "", "Hello.", "--ü--", content_type='multipart/mixed; boundary="ü"'), _TEXT
    ),
    MailCase(
        "boundary_in_pieces",
        raw("--ab", "", "Hello.", "--ab--", content_type="multipart/mixed; boundary*0=a; boundary*1=b"),
        _TEXT,
    ),
    MailCase(
        "boundary_extended",
        raw("--ab", "", "Hello.", "--ab--", content_type="multipart/mixed; boundary*=us-ascii''a%62"),
        _TEXT,
    ),
    MailCase(
        "boundary_twice",
        raw("--b", "", "Hello.", "--b--", content_type="multipart/mixed; boundary=b; boundary=c"),
        _TEXT,
    ),
    MailCase("boundary_no_semicolon", raw("Hello.", content_type="multipart/mixed boundary=b"), _TEXT),
    MailCase(
        "boundary_folded", raw("--b", "", "Hello.", "--b--", content_type="multipart/mixed;\r\n\tboundary=b"), _TEXT
    ),
    MailCase(
        "boundary_capitals",
        raw("--B", "", "Hello.", "--b", "--B--", content_type="MULTIPART/Mixed; BOUNDARY=B"),
        {"text": "Hello.\n--b"},
    ),
    MailCase(
        "boundary_shared",
        multipart("mixed", multipart("mixed", _PLAIN, boundary="s"), _PDF, boundary="s"),
        {"text": "Hello."},
        ANYTHING,
    ),
    MailCase(
        "boundary_prefix_of_inner", multipart("mixed", multipart("mixed", _PLAIN, boundary="frontier2"), _PDF), _BOTH
    ),
    MailCase(
        "boundary_inner_open",
        multipart("mixed", multipart("mixed", _PLAIN, boundary="inner", end=False), _PDF),
        _BOTH,
        _OPEN_END,
    ),
    MailCase("boundary_no_empty_line", raw("--b", "Content-Type: text/plain", "--b", "", "Hello.", "--b--"), _TEXT),
    MailCase("boundary_body_at_once", raw("--b", "Hello.", "--b--"), _TEXT),
    MailCase("boundary_empty_parts", raw("--b", "--b", "--b", "", "Hello.", "--b--"), _TEXT),
    MailCase(
        "boundary_at_the_start",
        b"Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\nHello.\r\n--b--\r\n",
        _TEXT,
        "no empty line ends a header",
    ),
    MailCase(
        "boundary_encoded_multipart", multipart("mixed", _PLAIN, fields=("Content-Transfer-Encoding: base64",)), _TEXT
    ),
)

_LIMITS = (
    MailCase("deep_100", nested(100), _TEXT),
    MailCase("deep_100_unended", nested_unended(100), _TEXT, _OPEN_END),
    MailCase("deep_128", nested(128), _TEXT),
    MailCase("deep_500", nested(500), {"text": None}, "more than 128 deep"),
    MailCase("deep_5000_unended", nested_unended(5000), {"text": None}, "more than 128 deep"),
    MailCase("many_parts", multipart("mixed", _PLAIN, *[_PDF] * 1500), {"text": "Hello."}, "more than 1000 parts"),
    MailCase("many_empty_parts", raw(*["--b"] * 20_000), {"text": None}, "more than 1000 parts"),
    MailCase("many_dashes", raw("--b", "", *["--"] * 50_000, "--b--"), {}),
    MailCase("many_texts", multipart("mixed", *[_PLAIN] * 900), {"text": "\n\n".join(["Hello."] * 900)}),
    MailCase("deep_forwards", b"Content-Type: message/rfc822\r\n\r\n" * 2000 + b"Hello.", {"text": None}),
)

STRUCTURES = _USUAL + _BOUNDARIES + _LIMITS
