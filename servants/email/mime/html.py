"""HTML into text, by inscriptis over lxml.

The document comes from anybody: nothing is fetched, libxml2's own limits on depth stay on, and what would cost too much
to lay out is only stripped of its tags.
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

_HIDDEN = ("script", "style", "head", "title", "template", "noscript")
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
#: What inscriptis reads of attributes: margins of any width, numbers that are none.
_COSTLY = ("style", "align", "valign", "value")
_TAG = re.compile(r"<[^<>]*>")
_GAP = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S)[ \t]{3,}(?=\S)")
_INVISIBLE = re.compile("[\u200b\u200c\u034f\ufeff\u00ad]+")


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
        _mark_hidden(tree)
        etree.strip_elements(tree, *_HIDDEN, with_tail=False)
        etree.strip_attributes(tree, *_COSTLY)
        _flatten_tables(tree)
    return tree


def _mark_hidden(tree: Any) -> None:
    for element in tree.xpath("/html/body//*[@style]"):
        if _HIDING.search(element.get("style")):
            element.tag = _HIDDEN[0]


def _flatten_tables(tree: Any) -> None:
    """Mail lays out with tables; columns as wide as their widest cell would be mostly blanks, and may be endless."""
    for element in tree.iter("table", "thead", "tbody", "tfoot", "tr", "caption"):
        element.tag = "div"
    for cell in tree.iter("td", "th"):
        cell.tag = "span"
        if cell.getnext() is not None:
            cell.tail = f" {cell.tail or ''}"


def _is_modest(tree: Any) -> bool:
    from lxml import etree

    depth = elements = 0
    for event, _element in etree.iterwalk(tree, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth, elements = depth + 1, elements + 1
        if depth > DEEPEST or elements > MOST_ELEMENTS:
            return False
    return True


def _laid_out(tree: Any) -> str:
    from inscriptis.css_profiles import STRICT_CSS_PROFILE
    from inscriptis.html_engine import Inscriptis
    from inscriptis.model.config import ParserConfig

    return str(Inscriptis(tree, ParserConfig(css=STRICT_CSS_PROFILE)).get_text())


def _bare(tree: Any) -> str:
    return "\n".join(" ".join(text.split()) for text in tree.itertext() if not text.isspace())


def _stripped(document: str) -> str:
    """A document that cannot be parsed, without its tags."""
    return unescape(_TAG.sub(" ", document))


def _tidied(text: str) -> str:
    lines = _INVISIBLE.sub("", text).replace("\u00a0", " ").split("\n")
    return _GAP.sub("\n\n", "\n".join(_WIDE.sub("  ", line.rstrip()) for line in lines)).strip("\n")
