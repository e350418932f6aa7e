"""HTML of mail, beside plain text and alone."""

from __future__ import annotations

from tests.support.mail_cases import ANYTHING, MailCase, mail, multipart, part
from tests.support.mail_cases_structure import attachment

_PAGE = "<html><head><title>x</title><style>p {color: red}</style></head><body>%s</body></html>"
_LONG = "This is a newsletter of some length, with more to say than its plain text does, to be sure of it."
_PLAIN = part("text/plain; charset=utf-8", "Hello, dear reader of this plain text, which says it all.")

#: More than a tag may be long, in a document so long that its tags are looked at.
_FILLER = "x = 1; " * 2000

#: (name, the document, its text)
_READ: tuple[tuple[str, str, str | None], ...] = (
    ("page", _PAGE % "<p>Hello.</p>", "Hello."),
    ("fragment", "<p>Hello.</p>", "Hello."),
    ("no_tags", "Hello.", "Hello."),
    ("empty", "", None),
    ("only_tags", "<html><body></body></html>", None),
    ("only_comment", "<!-- nothing -->", None),
    ("script", "<script>alert(1)</script><p>Hello.</p><style>p{}</style>", "Hello."),
    ("script_without_end", "<p>Hello.</p><script>alert(1)", "Hello."),
    ("hidden_otherwise", '<b HIDDEN>no</b><i style="MSO-hide: all">no</i><p>Hello.</p>', "Hello."),
    (
        "words",
        '<p>Hel<b title="<b>">lo</b><B\n>,</B> <i/>you<a\thref=x>.</a></p><abbr>Bye</abbr>.',
        "Hello, you.\n\nBye.",
    ),
    ("list_in_list", "<ol><li>one<ul><li>a<li>b</ul><li>two</ol>", "  1. one\n    • a\n    • b\n  2. two"),
    ("long_attributes", f'<p title="{"x>" * 9000}">Hello.</p><p>{"y" * 9000}', "Hello.\n\n" + "y" * 9000),
    ("long_script", f'<script>for (i=0;i<n;i++) s = "it=\'";{_FILLER}</script><p>Hello.</p>', "Hello."),
    ("long_script_in_capitals", f"<SCRIPT a=1>if (i<n) s='{_FILLER}</SCRIPT\n><p>Hello.</p>", "Hello."),
    ("long_style", f'<style>/* i<n="{_FILLER} */</style><p>Hello.</p>', "Hello."),
    ("long_title", f"<title>i<n ='{_FILLER}</title><p>Hello.</p>", "Hello."),
    ("long_comment", f"<!-- <a title=\"it's {_FILLER}--><p>Hello.</p>", "Hello."),
    ("long_comment_that_ends_oddly", f"<!-- <a title='{_FILLER}--!><p>Hello.</p>", "Hello."),
    ("comment_that_ends_at_once", f"<!--><p>Hello.</p><!-- <a title='{_FILLER}--><p>Bye.</p>", "Hello.\n\nBye."),
    ("long_declaration", f"<![if <a b='{_FILLER}]><p>Hello.</p><![endif]>", "Hello."),
    ("long_end_tag", f"<p>Hello.</p title='>{_FILLER}'><p>Bye.</p>", "Hello.\n\nBye."),
    ("hidden", '<div style="display:none">preheader</div><p>Hello.</p>', "Hello."),
    ("comment", "<p>Hel<!-- x -->lo.</p>", "Hello."),
    ("conditional", "<!--[if mso]><p>Outlook</p><![endif]--><p>Hello.</p>", "Hello."),
    ("conditional_shown", "<![if !mso]><p>Hello.</p><![endif]>", "Hello."),
    ("breaks", "<div>Hello<br>there<br/>again</div>", "Hello\nthere\nagain"),
    ("entities", "<p>Gr&uuml;&szlig;e &amp; &#8364; &lt;b&gt; &nonsense;</p>", "Grüße & € <b> &nonsense;"),
    ("declaration", '<?xml version="1.0" encoding="utf-8"?><html><body>Hello.</body></html>', "Hello."),
    ("doctype", '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://www.w3.org/x.dtd"><p>Hello.</p>', "Hello."),
    ("unclosed", "<p>Hello <b>there<p>again", "Hello there\n\nagain"),
    ("wrong_nesting", "<b><p>Hello</b> there</p>", "Hello there"),
    ("picture", '<p>Hello.<img src="http://example.com/x.png" alt="y"></p>', "Hello."),
    ("link", '<p>See <a href="http://example.com">here</a>.</p>', "See here."),
    ("list", "<ul><li>one</li><li>two</li></ul>", "  • one\n  • two"),
    ("table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a b\nc d"),
    ("blanks", "<p>Hello.</p>\n\n\n<p> </p><p>&nbsp;</p><div></div>\n<p>Bye.</p>", "Hello.\n\nBye."),
    ("outlook", '<p class="MsoNormal">Hello.<o:p></o:p></p>', "Hello."),
    ("frames", "<frameset><frame src=x></frameset>", None),
    ("cut_within_a_tag", "<p>Hello.</p><p cla", "Hello."),
    ("nul", "<p>Hel\0lo.</p>", "Hello."),
)

_CELL = "<table><tr><td>"
_HOSTILE = {
    "deep_divs": "<div>" * 14_000 + "Hello." + "</div>" * 14_000,
    "deep_tables": _CELL * 5_000 + "Hello.",
    "deep_lists": "<ul><li>" * 5_000 + "Hello.",
    "many_elements": "<b>x</b>" * 60_000,
    "many_rows": "<table>" + "<tr><td>x</td></tr>" * 20_000,
    "wide_table": "<table><tr><td>" + "x" * 200_000 + "</td></tr>" + "<tr><td>y</td></tr>" * 2_000,
    "open_brackets": "<" * 200_000,
    "open_comments": "<!--" * 50_000,
    "entities": "&" * 200_000,
    "attributes_of_one_tag": "<p " + " ".join(f"a{at}" for at in range(40_000)) + ">Hello.",
    "attributes_behind_quotes": "<p " + " ".join(f"a{at}='>'" for at in range(40_000)) + ">Hello.",
    "attributes_behind_an_equals_sign": '<p ="> ' + " ".join(f"a{at}" for at in range(40_000)) + ">Hi.",
    "attributes_of_many_pages": "".join(f"<html a{at}=1>" for at in range(14_000)) + "Hello.",
    "attributes_in_a_script_that_is_none": "<svg><style><a " + " ".join(f"a{at}" for at in range(40_000)) + ">Hi.",
    "attributes_behind_a_script_that_is_none": "<svg><style/><!--<a " + " ".join(f"a{at}" for at in range(40_000)),
    "attributes_in_a_comment_that_is_none": "<svg><![CDATA[><!--]]><a " + " ".join(f"a{at}" for at in range(40_000)),
    "attributes_of_a_script": "<script " + " ".join(f"a{at}" for at in range(40_000)) + "></script>Hello.",
    "attributes_of_an_end_tag": "</p " + " ".join(f"a{at}" for at in range(40_000)) + ">Hello.",
    "comments_without_end": "<!--" * 14_000 + "Hi.",
    "scripts_without_end": "<script>" * 14_000 + "Hi.",
    "attributes": "<p " + 'a="b" ' * 20_000 + ">Hello.",
    "entity_bomb": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><p>&b;</p>',
    "style_of_junk": '<p style="' + "display:;:;" * 5_000 + '">Hello.',
    "declaration_within": '\ufeff<?xml version="1.0" encoding="utf-16"?>Hello.',
    "list_value": '<ol><li value="²">Hello.</ol>',
    "margins": '<p style="margin-top:99999em;margin-bottom:99999em">Hello.</p>' * 1000,
    "padding": '<pre style="padding-left:99999em">' + "Hello.\n" * 10_000 + "</pre>",
    "style_of_many_digits": f'<p style="margin-top:{"9" * 500}em">Hello.',
    "blanks": "<p>" + " " * 500_000 + "x</p>",
    "no_break_spaces": "<p>x" + "&nbsp;" * 60_000 + "y</p>",
    "open_words": "".join(f"<b id={at}>" for at in range(9_000)) + "<p>Hello.</p>" * 5_000,
    "ends_of_nothing": "<span>" * 15_000 + "</x>" * 100_000,
    "lists_in_lists": "<ul><li>Hello.</li>" * 15_000,
    "lists_around_lines": "<ol>" * 500 + "<br>Hello." * 30_000,
    "noise": "".join(chr(33 + at * 7 % 900) for at in range(100_000)),
}


def _html(document: str | bytes, charset: str | None = "utf-8") -> bytes:
    named = f"; charset={charset}" if charset else ""
    return part(f"text/html{named}", document, "Content-Transfer-Encoding: 8bit")


def _beside(plain: str, document: str) -> bytes:
    return multipart("alternative", part("text/plain; charset=utf-8", plain), _html(document))


_BESIDE = (
    MailCase(
        "html_beside_plain",
        multipart("alternative", _PLAIN, _html(_PAGE % _LONG)),
        {"text": "Hello, dear reader of this plain text, which says it all.", "text_source": "plain"},
    ),
    MailCase(
        "html_beside_empty_plain", _beside("", _PAGE % _LONG), {"text": _LONG, "text_source": "html", "attachments": ()}
    ),
    MailCase("html_beside_blank_plain", _beside(" \r\n\r\n ", _PAGE % _LONG), {"text": _LONG, "text_source": "html"}),
    MailCase("html_beside_stub", _beside("See the HTML.", _PAGE % _LONG), {"text": _LONG, "text_source": "html"}),
    MailCase(
        "html_beside_excuse",
        _beside("Your program cannot show HTML.", _PAGE % _LONG),
        {"text": _LONG, "text_source": "html"},
    ),
    MailCase(
        "html_beside_short_but_equal",
        _beside("Ok, thanks!", "<p>Ok, thanks!</p>"),
        {"text": "Ok, thanks!", "text_source": "plain"},
    ),
    MailCase(
        "html_before_plain",
        multipart("alternative", _html(_PAGE % _LONG), _PLAIN),
        {"text_source": "plain", "attachments": ()},
    ),
    MailCase(
        "html_only_alternative",
        multipart("alternative", _html("<p>Hello.</p>")),
        {"text": "Hello.", "text_source": "html"},
    ),
    MailCase(
        "html_in_related",
        multipart("related", _html("<p>Hello.</p>"), part("image/png", "png", "Content-ID: <p@x>")),
        {"text": "Hello.", "attachments": (attachment("2", b"png", "image/png", None, content_id="p@x", inline=True),)},
    ),
    MailCase(
        "html_in_related_beside_plain",
        multipart(
            "alternative",
            _PLAIN,
            multipart("related", _html(_LONG), part("image/png", "png", "Content-ID: <p@x>"), boundary="inner"),
        ),
        {
            "text_source": "plain",
            "attachments": (attachment("2.2", b"png", "image/png", None, content_id="p@x", inline=True),),
        },
    ),
    MailCase(
        "html_and_more_html",
        multipart("mixed", _html("<p>Hello.</p>"), _html("<p>Bye.</p>")),
        {"text": "Hello.\n\nBye.", "text_source": "html", "attachments": ()},
    ),
    MailCase(
        "html_and_footer",
        multipart("mixed", _html("<p>Hello.</p>"), part("text/plain", "-- \r\na list")),
        {"text": "Hello.\n\n-- \na list", "text_source": "html"},
    ),
    MailCase(
        "html_with_amp",
        multipart("alternative", _PLAIN, part("text/x-amp-html", "<html amp4email>"), _html(_LONG)),
        {"text_source": "plain", "attachments": ()},
    ),
    MailCase(
        "html_meta_charset",
        _html('<meta charset="windows-1251"><p>Привет</p>'.encode("cp1251"), charset=None),
        {"text": "Привет"},
    ),
    MailCase(
        "html_meta_content_type",
        _html(
            '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Привет</p>'.encode("koi8-r"),
            charset=None,
        ),
        {"text": "Привет"},
    ),
    MailCase("html_header_beats_meta", _html('<meta charset="windows-1251"><p>Привет</p>'), {"text": "Привет"}),
    MailCase(
        "html_attached",
        multipart("mixed", _PLAIN, part("text/html; name=a.html", "<p>x")),
        {"attachments": (attachment("2", b"<p>x", "text/html", "a.html"),)},
    ),
    MailCase("html_too_long", _html("<p>Hello.</p>" * 200_000), {}, "longer than 1024 kB"),
    MailCase(
        "html_upper_case_type",
        mail("Content-Type: TEXT/HTML", body="<p>Hello.</p>"),
        {"text": "Hello.", "text_source": "html"},
    ),
)

DOCUMENTS = (
    *(MailCase(f"html_{name}", _html(document), {"text": text}) for name, document, text in _READ),
    *(
        MailCase(
            f"html_hostile_{name}", _html(document), {"text_source": "html"} if "Hello" in document else {}, ANYTHING
        )
        for name, document in _HOSTILE.items()
    ),
    *_BESIDE,
)
