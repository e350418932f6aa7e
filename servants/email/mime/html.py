"""HTML into text, by Resiliparse.

The document comes from anybody, and its reader does as browsers do, for whom a short document can become a large tree.
What such documents are made of is taken from them before they are read:

- An unclosed <b> is opened anew in every block that follows. <span> looks the same in text, and is not.
- Each end tag is looked for in all that is open. So is nothing beyond `MOST_TAGS`.
- Each line is indented by as many lists as it lies in.
"""

from __future__ import annotations

import re

from servants.email.mime.notes import Notes

#: The longest document that is read, in characters; more of one is cut off.
LONGEST = 1024 * 1024
#: More tags are not read. Twice as many take four times as long: half a second, at the worst.
MOST_TAGS = 30_000
#: In a document with more than this many lists times tags, nothing is indented.
MOST_INDENTED = 4_000_000

#: What HTML calls formatting elements (https://html.spec.whatwg.org/multipage/parsing.html#formatting).
_FORMATTING = re.compile(r"<(/?)(?:[abisu]|big|code|em|font|nobr|small|strike|strong|tt)(?=[\s/>])", re.IGNORECASE)
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
    if len(_LIST.findall(document)) * tags > MOST_INDENTED:
        document = _LIST.sub(r"<\1div", document)
    return _FORMATTING.sub(r"<\1span", document)


def _tidied(text: str) -> str:
    for character in _INVISIBLE:
        text = text.replace(character, "")
    text = text.replace("\u00a0", " ").replace("\t\t", " ").replace("\t", " ")
    if " \n" in text:
        text = "\n".join(map(str.rstrip, text.split("\n")))
    if "   " in text:  # the pattern costs more than all the rest
        text = _WIDE.sub("  ", text)
    return _GAP.sub("\n\n", text).rstrip().strip("\n")
