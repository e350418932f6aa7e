"""HTML into text, by inscriptis over lxml.

The document comes from anybody: nothing is fetched, libxml2's own limits on depth stay on, and what would cost too much
to lay out is only stripped of its tags.
"""

from __future__ import annotations

import re
from typing import Any

#: The longest document that is read, in characters; more of one is cut off.
LONGEST = 1024 * 1024
#: A document of more elements, or deeper ones, is not laid out.
MOST_ELEMENTS = 20_000
DEEPEST = 100

_HIDDEN = ("script", "style", "head", "title", "template", "noscript")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]{0,200}>")
_GAP = re.compile(r"\n{3,}")
_WIDE = re.compile(r"(?<=\S)[ \t]{3,}(?=\S)")
_INVISIBLE = re.compile("[\u200b\u200c\u034f\ufeff\u00ad]+")


def html_to_text(document: str) -> str:
    """The text that a reader of the document sees, without links and pictures; a table's row is a line."""
    tree = _tree(document[:LONGEST])
    if tree is None:
        return ""
    return _tidied(_laid_out(tree) if _is_modest(tree) else _bare(tree))


def _tree(document: str) -> Any:
    """lxml's tree, without what no reader sees; None where there is nothing. `Any`: lxml ships no types."""
    from lxml import etree

    parser = etree.HTMLParser(remove_comments=True, remove_pis=True, no_network=True, huge_tree=False)
    try:
        tree = etree.fromstring(_DECLARATION.sub("", document), parser)
    except (etree.ParserError, etree.XMLSyntaxError):  # no element at all
        return None
    if tree is not None:
        etree.strip_elements(tree, *_HIDDEN, with_tail=False)
        _flatten_tables(tree)
    return tree


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
    from inscriptis.html_engine import Inscriptis

    return Inscriptis(tree).get_text()


def _bare(tree: Any) -> str:
    return "\n".join(" ".join(text.split()) for text in tree.itertext() if not text.isspace())


def _tidied(text: str) -> str:
    lines = _INVISIBLE.sub("", text).replace("\u00a0", " ").split("\n")
    return _GAP.sub("\n\n", "\n".join(_WIDE.sub("  ", line.rstrip()) for line in lines)).strip("\n")
