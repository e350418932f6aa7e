"""Addresses of mail: usual, obsolete, broken."""

from __future__ import annotations

from servants.email.values import Participant, ParticipantRole
from tests.support.mail_cases import ANYTHING, MailCase, mail

_UNREADABLE = "an address cannot be read"
_NO_DOMAIN = "domain that cannot exist"

#: (name, the field's value, (address, display name) of everybody, words of the problem or None)
_LISTS: tuple[tuple[str, str | bytes, list[tuple[str, str | None]], str | None], ...] = (
    ("bare", "Ann@Example.COM", [("ann@example.com", None)], None),
    ("brackets", "<ann@example.com>", [("ann@example.com", None)], None),
    ("name", "Ann Lee <ann@example.com>", [("ann@example.com", "Ann Lee")], None),
    ("quoted", '"Lee, Ann" <ann@example.com>', [("ann@example.com", "Lee, Ann")], None),
    ("escaped", r'"Ann \"The\" Lee" <ann@example.com>', [("ann@example.com", 'Ann "The" Lee')], None),
    ("single_quotes", "'Ann Lee' <ann@example.com>", [("ann@example.com", "Ann Lee")], None),
    ("name_is_address", '"ann@example.com" <ann@example.com>', [("ann@example.com", None)], None),
    ("unquoted_address_as_name", "ann@example.com <ann@example.com>", [("ann@example.com", None)], None),
    ("list_on_behalf", "'bob@example.org' via L <l@example.com>", [("l@example.com", "bob@example.org' via L")], None),
    ("no_space", "Ann<ann@example.com>", [("ann@example.com", "Ann")], None),
    ("dot_in_name", "Ann B. Lee <ann@example.com>", [("ann@example.com", "Ann B. Lee")], None),
    ("comment_as_name", "ann@example.com (Ann Lee)", [("ann@example.com", "Ann Lee")], None),
    ("comment_after", "Ann <ann@example.com> (at work)", [("ann@example.com", "Ann")], None),
    (
        "comma_in_comment",
        "ann@example.com (Lee, Ann), bob@example.com",
        [("ann@example.com", "Lee, Ann"), ("bob@example.com", None)],
        None,
    ),
    (
        "open_comment",
        "Ann (Lee <ann@example.com>, Bob <bob@example.com>",
        [("ann@example.com", "Ann Lee"), ("bob@example.com", "Bob")],
        None,
    ),
    ("two", "a@example.com, b@example.com", [("a@example.com", None), ("b@example.com", None)], None),
    ("semicolons", "a@example.com; b@example.com", [("a@example.com", None), ("b@example.com", None)], None),
    ("empty_entries", "a@example.com,, ,b@example.com,", [("a@example.com", None), ("b@example.com", None)], None),
    ("same_twice", "A@example.com, Ann <a@example.com>", [("a@example.com", None)], None),
    ("group", "Team: a@example.com, Bob <b@example.com>;", [("a@example.com", None), ("b@example.com", "Bob")], None),
    ("group_and_more", "Team: a@example.com;, c@example.com", [("a@example.com", None), ("c@example.com", None)], None),
    ("two_groups", "A: a@example.com; B: b@example.com;", [("a@example.com", None), ("b@example.com", None)], None),
    ("open_group", "Team: a@example.com, b@example.com", [("a@example.com", None), ("b@example.com", None)], None),
    ("undisclosed", "undisclosed-recipients:;", [], None),
    ("undisclosed_spelt", "Undisclosed recipients: ;", [], None),
    ("undisclosed_bare", "undisclosed-recipients", [], None),
    ("no_closing_bracket", "Ann <ann@example.com", [("ann@example.com", "Ann")], None),
    ("no_opening_bracket", "Ann ann@example.com>", [("ann@example.com", "Ann")], None),
    (
        "missing_bracket_and_more",
        "Ann <ann@example.com, Bob <bob@example.com>",
        [("ann@example.com", "Ann"), ("bob@example.com", "Bob")],
        None,
    ),
    ("doubled_brackets", "Ann <<ann@example.com>>", [("ann@example.com", "Ann")], None),
    ("open_quote", '"Ann Lee <ann@example.com>', [("ann@example.com", "Ann Lee")], None),
    ("route", "Ann <@relay.example,@b.example:ann@example.com>", [("ann@example.com", "Ann")], None),
    ("mailto", "<mailto:ann@example.com>", [("ann@example.com", None)], None),
    ("mailto_bare", "mailto:ann@example.com", [("ann@example.com", None)], None),
    ("space_within", "Ann <ann @example.com>", [("ann@example.com", "Ann")], None),
    ("trailing_dot", "ann@example.com.", [("ann@example.com", None)], None),
    ("plus", "ann+news@example.com", [("ann+news@example.com", None)], None),
    ("literal", "ann@[192.0.2.1]", [("ann@[192.0.2.1]", None)], None),
    ("no_domain", "MAILER-DAEMON", [], _UNREADABLE),
    ("only_name", "Ann Lee <>", [], _UNREADABLE),
    ("exchange_name", "/O=ORG/OU=SITE/CN=RECIPIENTS/CN=ANN", [], _UNREADABLE),
    ("no_local", "@example.com", [], _UNREADABLE),
    ("idn", "Ann <ann@bücher.example>", [("ann@xn--bcher-kva.example", "Ann")], None),
    ("idn_capitals", "ann@BÜCHER.example", [("ann@xn--bcher-kva.example", None)], None),
    ("idn_ascii", "ann@XN--BCHER-KVA.example", [("ann@xn--bcher-kva.example", None)], None),
    ("idn_impossible", "ann@\u0644a\u0644.example", [("ann@\u0644a\u0644.example", None)], _NO_DOMAIN),
    ("international_local", "jürgen@example.com", [("jürgen@example.com", None)], None),
    ("raw_utf8_name", "Jürgen <j@example.com>", [("j@example.com", "Jürgen")], None),
    ("raw_latin1_name", "Jürgen <j@example.com>".encode("latin-1"), [("j@example.com", "Jürgen")], None),
    ("word", "=?utf-8?Q?J=C3=BCrgen?= <j@example.com>", [("j@example.com", "Jürgen")], None),
    ("word_in_quotes", '"=?utf-8?Q?J=C3=BCrgen?=" <j@example.com>', [("j@example.com", "Jürgen")], None),
    ("word_with_comma", "=?utf-8?Q?Lee,_Ann?= <ann@example.com>", [("ann@example.com", "Lee, Ann")], None),
    ("word_of_all", "=?utf-8?Q?Ann_=3Cann=40example.com=3E?=", [("ann@example.com", "Ann")], None),
    ("two_words", "=?utf-8?Q?J=C3=BCr?= =?utf-8?Q?gen?= <j@example.com>", [("j@example.com", "Jürgen")], None),
    (
        "folded",
        "Ann Lee\r\n <ann@example.com>,\r\n\tBob <b@example.com>",
        [("ann@example.com", "Ann Lee"), ("b@example.com", "Bob")],
        None,
    ),
    ("nul", b"Ann\0 Lee <ann@example.com>", [("ann@example.com", "Ann Lee")], None),
    ("controls", b"Ann\x07\x1b Lee <ann@example.com>", [("ann@example.com", "Ann Lee")], None),
    ("long_name", "x" * 3000 + " <a@example.com>", [("a@example.com", "x" * 300)], None),
    ("long_address", "x" * 400 + "@example.com", [], _UNREADABLE),
)

_HOSTILE = {
    "nested_parentheses": "(" * 5000 + "a@example.com",
    "nested_closed": "(" * 900 + ")" * 900 + " a@example.com",
    "brackets_only": "<" * 5000,
    "quotes_only": '"' * 5001,
    "at_signs": "@" * 5000,
    "colons": ":" * 5000 + "a@example.com",
    "escapes": "\\" * 5001,
    "blanks": "a" + " " * 50_000 + "@example.com",
    "commas": "," * 60_000,
    "words_without_end": "=?utf-8?q?" * 5000,
    "brackets_and_blanks": ("<" + " " * 40 + "@") * 45,
    "blanks_in_brackets": "a <" + " " * 1900 + "@",
    "nul_bytes": "\0" * 500,
}


def _everybody(found: list[tuple[str, str | None]]) -> tuple[Participant, ...]:
    return tuple(Participant(ParticipantRole.TO, address, name) for address, name in found)


def _roles() -> MailCase:
    names = ("From", "Sender", "Reply-To", "To", "Cc", "Bcc")
    data = mail(*(f"{name}: {name} <p{at}@example.com>" for at, name in enumerate(reversed(names))))
    roles = reversed(list(enumerate(reversed(list(ParticipantRole)))))
    return MailCase(
        "address_roles",
        data,
        {
            "participants": tuple(
                Participant(role, f"p{at}@example.com", role.value.title().replace("_", "-")) for at, role in roles
            )
        },
    )


def _many() -> MailCase:
    data = mail("To: " + ",\r\n ".join(f"p{at}@example.com" for at in range(1500)))
    first = tuple(Participant(ParticipantRole.TO, f"p{at}@example.com") for at in range(1000))
    return MailCase("address_many", data, {"participants": first}, "more than 1000 participants")


ADDRESSES = (
    *(
        MailCase(
            f"address_{name}",
            mail(b"To: " + (value if isinstance(value, bytes) else value.encode())),
            {"participants": _everybody(found)},
            problem,
        )
        for name, value, found, problem in _LISTS
    ),
    *(MailCase(f"address_hostile_{name}", mail(f"To: {value}"), {}, ANYTHING) for name, value in _HOSTILE.items()),
    _roles(),
    _many(),
    MailCase(
        "address_several_from",
        mail("From: a@example.com, b@example.com", "From: c@example.com"),
        {"participants": tuple(Participant(ParticipantRole.FROM, f"{name}@example.com") for name in "abc")},
        "several From fields",
    ),
    MailCase(
        "address_several_to_fields",
        mail("To: a@example.com", "To: b@example.com"),
        {"participants": _everybody([("a@example.com", None), ("b@example.com", None)])},
    ),
)
