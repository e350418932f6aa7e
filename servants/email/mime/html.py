"""HTML into text, by Resiliparse.

The document comes from anybody, and its reader does as browsers do, for whom a short document can become a large tree.
What such documents are made of is taken from them before they are read:

- An unclosed <b> is opened anew in every block that follows. <span> looks the same in text, and is not.
- Each attribute is compared with all before it in its tag, and those of every <html> and <body> are one tag's.
- Each end tag is looked for in all that is open.
- Each line is indented by as many lists as it lies in.
"""

from __future__ import annotations

import re

from servants.email.mime.notes import Notes

#: The longest document that is read, in characters; more of one is cut off.
LONGEST = 1024 * 1024
#: More tags are not read. Twice as many take four times as long: a second, at the worst.
MOST_TAGS = 15_000
#: A tag with longer attributes, in characters, loses them: what an element looks like fits into fewer.
LONGEST_ATTRIBUTES = 1000
#: A document without so many characters cannot hold attributes that cost anything.
_ATTRIBUTES_COUNT_FROM = 8 * 1024
#: In a document with more than this many lists times tags, nothing is indented.
MOST_INDENTED = 4_000_000

#: What HTML calls formatting elements (https://html.spec.whatwg.org/multipage/parsing.html#formatting).
_FORMATTING = re.compile(r"<(/?)(?:[abisu]|big|code|em|font|nobr|small|strike|strong|tt)(?=[\s/>])", re.IGNORECASE)
#: A tag with its attributes, as the tokenizer of HTML reads it: a `>` in quotes after `=` does not end it.
_ATTRIBUTES = r"""(?:[^>=]++|=[ \t\n\f\r]*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+"""
_TAG = re.compile(rf"<(/?[a-z][^ \t\n\f\r/>]*+)({_ATTRIBUTES})(?:>|\Z)", re.IGNORECASE)
#: Where a `<` begins no tag, up to where that ends; at the document's end at the latest, so that nothing is read twice.
_COMMENT = r"<!--(?:(?=-?>)|.*?(?=--!?>|\Z))|(?P<declaration><[!?][^>]*+)"
_PLAIN = "script|style|title|textarea|iframe|noembed|noframes|xmp|plaintext"
_PLAIN_ELEMENT = rf"<(?P<name>{_PLAIN})(?=[ \t\n\f\r/>]){_ATTRIBUTES}(?:>.*?(?=</(?P=name)[ \t\n\f\r/>]|\Z)|\Z)"
#: What no tag reaches out of.
_PART = re.compile(f"{_COMMENT}|{_PLAIN_ELEMENT}|{_TAG.pattern}", re.IGNORECASE | re.DOTALL)
_MERGED = ("html", "body")
_LIST = re.compile(r"<(/?)[uo]l(?=[\s/>])", re.IGNORECASE)
_HIDING = ("display:none", "display: none", "visibility:hidden", "visibility: hidden", "mso-hide:all", "mso-hide: all")
#: What no reader sees, or what is no text.
_UNSEEN = [
    *("script", "style", "head", "title", "template", "noscript", "iframe", "noembed", "noframes"),
    *("textarea", "select", "[hidden]"),
    *(f'[style*="{hiding}" i]' for hiding in _HIDING),
]
_GAP = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S) {3,}")
_INVISIBLE = "\u200b\u200c\u034f\ufeff\u00ad"


def html_to_text(document: str, notes: Notes) -> str:
    """The text that a reader of the document sees, without links and pictures; a table's row is a line."""
    from resiliparse.extract.html2text import extract_plain_text

    return _tidied(
        extract_plain_text(
            _harmless(document[:LONGEST], notes),
            preserve_formatting=True,
            main_content=False,
            alt_texts=False,
            skip_elements=_UNSEEN,
        )
    )


def _harmless(document: str, notes: Notes) -> str:
    tags = document.count("<")
    if tags > MOST_TAGS:
        notes.add(f"HTML has more than {MOST_TAGS:,} tags and was cut")
        document = "<".join(document.split("<", MOST_TAGS)[:MOST_TAGS])
    if len(document) > _ATTRIBUTES_COUNT_FROM:
        document = _PART.sub(_with_lean_tags, document)
    if len(_LIST.findall(document)) * tags > MOST_INDENTED:
        document = _LIST.sub(r"<\1div", document)
    return _FORMATTING.sub(r"<\1span", document)


def _with_lean_tags(part: re.Match[str]) -> str:
    # Those in comments and scripts too: within SVG, some of them are neither.
    return part[0] if part["declaration"] else _TAG.sub(_with_few_attributes, part[0])


def _with_few_attributes(tag: re.Match[str]) -> str:
    keeps = len(tag[2]) <= LONGEST_ATTRIBUTES and tag[1].lower() not in _MERGED
    return tag[0] if keeps else f"<{tag[1]}>"


def _tidied(text: str) -> str:
    for character in _INVISIBLE:
        text = text.replace(character, "")
    text = text.replace("\u00a0", " ").replace("\t\t", " ").replace("\t", " ")
    if " \n" in text:
        text = "\n".join(map(str.rstrip, text.split("\n")))
    if "   " in text:  # the pattern costs more than all the rest
        text = _WIDE.sub("  ", text)
    return _GAP.sub("\n\n", text).rstrip().strip("\n")
