"""Headers of mail: subjects, message IDs, folding, and headers that are none."""

from __future__ import annotations

import base64

from tests.support.mail_cases import ANYTHING, MailCase, mail

_UNKNOWN_CHARSET = "unknown charset"

#: (name, the field's value, the subject, words of the problem or None)
_SUBJECTS: tuple[tuple[str, str | bytes, str | None, str | None], ...] = (
    ("plain", "Hello there", "Hello there", None),
    ("empty", "", None, None),
    ("blank", "   ", None, None),
    ("folded", "Hello\r\n there", "Hello there", None),
    ("folded_by_tab", "Hello\r\n\tthere", "Hello there", None),
    ("folded_often", "Hello\r\n \r\n \r\n there", "Hello there", None),
    ("wide", "Hello     there", "Hello there", None),
    ("raw_utf8", "Grüße 🎉", "Grüße 🎉", None),
    ("raw_latin1", "Grüße".encode("latin-1"), "Grüße", None),
    ("raw_cp1252", b"\x93quoted\x94 \x80 5", "“quoted” € 5", None),
    ("q", "=?utf-8?Q?Gr=C3=BC=C3=9Fe_an_alle?=", "Grüße an alle", None),
    ("q_lower", "=?utf-8?q?Gr=c3=bc=c3=9fe?=", "Grüße", None),
    ("q_with_spaces", "=?utf-8?Q?Gr=C3=BC=C3=9Fe an alle?=", "Grüße an alle", None),
    ("q_damaged", "=?utf-8?Q?100=?=", "100", None),
    ("b", "=?utf-8?B?R3LDvMOfZQ==?=", "Grüße", None),
    ("b_without_padding", "=?utf-8?B?R3LDvMOfZQ?=", "Grüße", None),
    ("b_with_junk", "=?utf-8?B?R3LD vMOf!ZQ==?=", "Grüße", None),
    ("b_one_letter_over", "=?us-ascii?B?SGVsbG8hA?=", "Hello!", None),
    ("b_empty", "=?utf-8?B??=", None, None),
    ("latin1", "=?iso-8859-1?Q?Gr=FC=DFe?=", "Grüße", None),
    ("latin1_means_cp1252", "=?iso-8859-1?Q?=93Hi=94?=", "“Hi”", None),
    ("koi8", "=?koi8-r?B?8NLJ18XU?=", "Привет", None),
    ("gb2312", "=?gb2312?B?xOO6ww==?=", "你好", None),
    ("gb2312_beyond", "=?gb2312?B?lkM=?=", b"\x96\x43".decode("gb18030"), None),
    ("iso2022jp", "=?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは", None),
    ("korean", "=?ks_c_5601-1987?B?vsiz5w==?=", "안녕", None),
    ("language", "=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße", None),
    ("two_words", "=?utf-8?Q?Hello?= =?utf-8?Q?_there?=", "Hello there", None),
    ("two_words_folded", "=?utf-8?Q?Hello?=\r\n =?utf-8?Q?_there?=", "Hello there", None),
    ("two_charsets", "=?utf-8?Q?Gr=C3=BC?= =?iso-8859-1?Q?=DFe?=", "Grüße", None),
    ("cut_within_a_character", "=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße", None),
    ("cut_within_a_character_b", "=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße", None),
    ("cut_between_q_and_b", "=?utf-8?Q?Gr=C3?= =?UTF-8?B?vMOfZQ==?=", "Grüße", None),
    ("text_around", "Re: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= an alle", "Re: Grüße an alle", None),
    ("no_space_around", "(=?utf-8?Q?Gr=C3=BC=C3=9Fe?=)", "(Grüße)", None),
    ("glued", "=?utf-8?Q?Gr=C3=BC?==?utf-8?Q?=C3=9Fe?=", "Grüße", None),
    ("no_end", "=?utf-8?Q?Gr=C3=BC", "=?utf-8?Q?Gr=C3=BC", None),
    ("no_encoding", "=?utf-8?X?abc?=", "=?utf-8?X?abc?=", None),
    ("unknown_charset", "=?x-nonsense?Q?Hello?=", "Hello", _UNKNOWN_CHARSET),
    ("unknown_charset_utf8", "=?x-unknown?Q?Gr=C3=BC=C3=9Fe?=", "Grüße", _UNKNOWN_CHARSET),
    ("wrong_charset", "=?utf-8?Q?Gr=FC=DFe?=", "Grüße", "does not fit the charset"),
    ("codec_that_is_no_charset", "=?rot13?Q?Hello?=", "Hello", _UNKNOWN_CHARSET),
    ("codec_that_escapes", "=?unicode_escape?Q?=5Cud800?=", "\\ud800", _UNKNOWN_CHARSET),
    ("utf7", "=?unicode-1-1-utf-7?Q?Gr+APwA3w-e?=", "Grüße", None),
    ("half_a_pair", "=?utf-7?Q?x+2AA-y?=", "x�y", ANYTHING),
    ("nul", b"Hel\0lo", "Hel lo", None),
    ("nul_in_word", "=?utf-8?Q?Hel=00lo?=", "Hel lo", None),
    ("controls", b"Hel\x1b[31mlo\x07", "Hel [31mlo", None),
    ("newline_in_word", "=?utf-8?Q?Hello=0D=0ABcc:_x?=", "Hello Bcc: x", None),
    ("overlong", "x" * 5000, "x" * 2000, None),
    ("overlong_words", " ".join(["=?utf-8?Q?" + "y" * 50 + "?="] * 100), "y" * 2000, None),
    ("beyond_the_limit", "z" * 200_000, "z" * 2000, "longer than 128 kB"),
)

_ID = "<a.1@example.com>"


def _chain(length: int) -> str:
    return "\r\n ".join(f"<r{at}@example.com>" for at in range(length))


#: (name, the header's lines, attributes, words of the problem or None)
_IDS: tuple[tuple[str, list[str], dict[str, object], str | None], ...] = (
    ("usual", [f"Message-ID: {_ID}"], {"message_id": "a.1@example.com"}, None),
    ("lower_case_name", [f"message-id: {_ID}"], {"message_id": "a.1@example.com"}, None),
    ("case_kept", ["Message-ID: <A.b@Example.COM>"], {"message_id": "A.b@Example.COM"}, None),
    ("no_brackets", ["Message-ID: a.1@example.com"], {"message_id": "a.1@example.com"}, None),
    ("no_at", ["Message-ID: <20240305120000>"], {"message_id": "20240305120000"}, None),
    ("bare_word", ["Message-ID: 20240305"], {"message_id": "20240305"}, None),
    ("space_within", ["Message-ID: <a. 1@example.com>"], {"message_id": "a.1@example.com"}, None),
    ("folded_first", [f"Message-ID:\r\n {_ID}"], {"message_id": "a.1@example.com"}, None),
    ("comment", [f"Message-ID: {_ID} (added by us)"], {"message_id": "a.1@example.com"}, None),
    ("empty", ["Message-ID:"], {"message_id": None}, None),
    ("empty_brackets", ["Message-ID: <>"], {"message_id": None}, None),
    ("nul", ["Message-ID: <a\0.1@example.com>"], {"message_id": "a.1@example.com"}, None),
    ("long", ["Message-ID: <" + "x" * 900 + "@example.com>"], {"message_id": "x" * 500}, None),
    ("twice", ["Message-ID: <a@x>", "Message-ID: <b@x>"], {"message_id": "a@x"}, "several Message-ID fields"),
    ("same_twice", ["Message-ID: <a@x>", "Message-ID: <a@x>"], {"message_id": "a@x"}, None),
    ("reply", ["In-Reply-To: <b@x>"], {"in_reply_to": "b@x"}, None),
    ("reply_to_several", ["In-Reply-To: <b@x> <c@x>"], {"in_reply_to": "b@x"}, None),
    ("reply_in_words", ["In-Reply-To: Your message of Tuesday <b@x>"], {"in_reply_to": "b@x"}, None),
    ("reply_junk", ["In-Reply-To: your last message"], {"in_reply_to": None}, None),
    ("references", ["References: <a@x> <b@x>"], {"references": ("a@x", "b@x")}, None),
    ("references_commas", ["References: <a@x>,<b@x>"], {"references": ("a@x", "b@x")}, None),
    ("references_glued", ["References: <a@x><b@x>"], {"references": ("a@x", "b@x")}, None),
    ("references_bare", ["References: a@x b@x"], {"references": ("a@x", "b@x")}, None),
    ("references_repeated", ["References: <a@x> <b@x> <a@x>"], {"references": ("a@x", "b@x")}, None),
    ("references_junk", ["References: see <a@x> and <"], {"references": ("a@x",)}, None),
    ("references_two_fields", ["References: <a@x>", "References: <b@x>"], {"references": ("a@x", "b@x")}, None),
    (
        "references_200",
        [f"References: {_chain(200)}"],
        {"references": tuple(f"r{at}@example.com" for at in range(200))},
        None,
    ),
    (
        "references_5000",
        [f"References: {_chain(5000)}"],
        {"references": tuple(f"r{at}@example.com" for at in [*range(20), *range(4820, 5000)])},
        None,
    ),
    ("references_hostile", ["References: " + "<" * 50_000], {"references": ()}, None),
    ("references_no_at", ["References: " + "x" * 100_000], {"references": ()}, None),
)

_BODY = {"subject": "Hi", "text": "Hello.", "text_source": "plain"}

_FORMS = (
    MailCase("header_line_feeds", b"Subject: Hi\nFrom: a@example.com\n\nHello.\n", _BODY),
    MailCase("header_carriage_returns", b"Subject: Hi\rFrom: a@example.com\r\rHello.\r", _BODY),
    MailCase("header_mixed_ends", b"Subject: Hi\nFrom: a@example.com\r\n\nHello.\r\n", _BODY),
    MailCase("header_envelope_line", b"From a@example.com Tue Mar  5 12:00:00 2024\nSubject: Hi\n\nHello.\n", _BODY),
    MailCase("header_quoted_envelope_line", b">From a@example.com Tue\nSubject: Hi\n\nHello.\n", _BODY),
    MailCase("header_only", b"Subject: Hi\r\n", {"subject": "Hi", "text": None}),
    MailCase("header_only_no_line_end", b"Subject: Hi", {"subject": "Hi", "text": None}),
    MailCase("header_and_empty_line", b"Subject: Hi\r\n\r\n", {"subject": "Hi", "text": None}),
    MailCase("header_no_empty_line", b"Subject: Hi\r\nHello.\r\n", _BODY, "no empty line ends a header"),
    MailCase(
        "header_junk_line", b"Subject: Hi\r\nwhat is this\r\nFrom: a@example.com\r\n\r\nHello.", _BODY, "is no field"
    ),
    MailCase("header_space_before_colon", b"Subject : Hi\r\n\r\nHello.", _BODY),
    MailCase("header_no_space", b"Subject:Hi\r\n\r\nHello.", _BODY),
    MailCase("header_capitals", b"SUBJECT: Hi\r\n\r\nHello.", _BODY),
    MailCase("header_twice", mail("Subject: Hi", "Subject: Ho"), _BODY, "several Subject fields"),
    MailCase("header_first_empty", mail("Subject:", "Subject: Hi"), _BODY, ANYTHING),
    MailCase("header_begins_folded", b" folded\r\nSubject: Hi\r\n\r\nHello.", _BODY, "is no field"),
    MailCase(
        "header_none",
        b"Just words.\r\nMore words.\r\n",
        {"text": "Just words.\nMore words.", "subject": None},
        "no header",
    ),
    MailCase("header_none_but_empty_line", b"\r\nHello.\r\n", {"text": "Hello."}, "no header"),
    MailCase(
        "header_long",
        mail("Subject: Hi", *(f"X-{at}: {'y' * 900}" for at in range(400))),
        {"subject": "Hi", "text": "Hello."},
        "longer than 256 kB",
    ),
    MailCase("header_many_fields", mail("Subject: Hi", *(f"X-{at}: y" for at in range(5000))), _BODY),
    MailCase("header_name_of_junk", b"\xff\xfe: y\r\nSubject: Hi\r\n\r\nHello.", _BODY, "is no field"),
    MailCase("empty", b"", {"raw": None, "text": None}, "the message is empty"),
    MailCase("one_byte", b"x", {"text": "x"}, "no header"),
    MailCase("one_line_end", b"\n", {"text": None}, "no header"),
    MailCase("one_nul", b"\0", {"text": None, "raw": b"\0"}, "no header"),
    MailCase("many_nuls", b"\0" * 300_000, {"text": None, "raw": b"\0" * 262_144}, "no header"),
    MailCase("every_byte", bytes(range(256)) * 20, {"raw": bytes(range(256)) * 20}, "no header"),
    MailCase("colons", b":\r\n" * 1000, {}, "no header"),
    MailCase(
        "picture",
        base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"),
        {"text": None},
        "no header",
    ),
)

HEADERS = (
    *(
        MailCase(
            f"subject_{name}",
            mail(b"Subject: " + (value if isinstance(value, bytes) else value.encode())),
            {"subject": subject},
            problem,
        )
        for name, value, subject, problem in _SUBJECTS
    ),
    *(MailCase(f"id_{name}", mail(*lines), expected, problem) for name, lines, expected, problem in _IDS),
    *_FORMS,
)
