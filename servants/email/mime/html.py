"""HTML into text, by Resiliparse of a tree that lxml has made harmless.

The document comes from anybody: nothing is fetched, libxml2's own limits on depth stay on, and what would cost too much
to lay out is only stripped of its tags. Resiliparse reads as browsers do, who open an unclosed <b> anew in every block
that follows: a short document may become a tree without bounds. What formats words is therefore gone before it reads.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

#: The longest document that is read, in characters; more of one is cut off.
LONGEST = 1024 * 1024
#: A document of more elements, or deeper ones, is not laid out.
MOST_ELEMENTS = 20_000
DEEPEST = 100

_HIDDEN = (
    *("script", "style", "head", "title", "template", "noscript"),
    *("iframe", "noembed", "noframes", "textarea", "select"),
)
_CELLS = ("td", "th")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
#: What HTML calls formatting elements, and <span>, of which mail is full.
_OF_WORDS = ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "span", "strike", "strong", "tt", "u")
_TAG = re.compile(r"<[^<>]*>")
_GAP = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S) {3,}")
_INVISIBLE = "\u200b\u200c\u034f\ufeff\u00ad"


def html_to_text(document: str) -> str:
    """The text that a reader of the document sees, without links and pictures; a table's row is a line."""
    document = document[:LONGEST]
    try:
        tree = _tree(document)
    except _TooDeep:
        return _tidied(_stripped(document))
    if tree is None:
        return ""
    return _tidied(_laid_out(tree) if _is_modest(tree) else _bare(tree))


class _TooDeep(Exception):
    """libxml2 refuses to go further into the document."""


def _tree(document: str) -> Any:
    """lxml's tree, without what no reader sees; None where there is nothing. `Any`: lxml ships no types.

    Raises:
        _TooDeep: it is not the whole document.
    """
    from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

    parser = etree.HTMLParser(remove_comments=True, remove_pis=True, no_network=True, huge_tree=False, encoding="utf-8")
    try:
        tree = etree.fromstring(document.encode(errors="replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError):  # no element at all
        return None
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log.filter_from_fatals()):
        raise _TooDeep
    if tree is not None:
        _prune(tree)
    return tree


def _prune(tree: Any) -> None:
    from lxml import etree

    for element in tree.xpath("/html/body//*[@style or @hidden]"):
        if element.get("hidden") is not None or _HIDING.search(element.get("style")):
            element.tag = _HIDDEN[0]
    etree.strip_elements(tree, *_HIDDEN, with_tail=False)
    _flatten_tables(tree)
    etree.strip_tags(tree, *_OF_WORDS, *_CELLS)


def _flatten_tables(tree: Any) -> None:
    """Mail lays out with tables; columns as wide as their widest cell would be mostly blanks, and may be endless."""
    for element in tree.iter("table", "thead", "tbody", "tfoot", "tr", "caption"):
        element.tag = "div"
    for cell in tree.iter(*_CELLS):
        if cell.getnext() is not None:
            cell.tail = f" {cell.tail or ''}"


def _is_modest(tree: Any) -> bool:
    return bool(tree.xpath("count(//*)") <= MOST_ELEMENTS and not tree.xpath(f"boolean({'/*' * (DEEPEST + 1)})"))


def _laid_out(tree: Any) -> str:
    from lxml import etree
    from resiliparse.extract.html2text import extract_plain_text

    document = etree.tostring(tree, encoding="unicode", method="html")
    return extract_plain_text(document, preserve_formatting=True, main_content=False, alt_texts=False)


def _bare(tree: Any) -> str:
    return "\n".join(" ".join(text.split()) for text in tree.itertext() if not text.isspace())


def _stripped(document: str) -> str:
    """A document that cannot be parsed, without its tags."""
    return unescape(_TAG.sub(" ", document))


def _tidied(text: str) -> str:
    for character in _INVISIBLE:
        text = text.replace(character, "")
    text = "\n".join(map(str.rstrip, text.replace("\u00a0", " ").replace("\t", " ").split("\n")))
    if "   " in text:  # the pattern costs more than all the rest
        text = _WIDE.sub("  ", text)
    return _GAP.sub("\n\n", text).strip("\n")
