"""How a text is parted into the words that it is searched by; the database parts it in the same way, by `words_of`."""

from __future__ import annotations

#: What parts words, beside blanks. The underscore, the dot and the like do, for people search parts of addresses.
#: No more than is common: each character of a text is looked for in it.
PARTING = "!\"#&'()*+,-./:;<=>?@[]_|\t\n\r\u2019\u201c\u201d\u201e\u00ab\u00bb"

#: The longest that is kept of a text and of a word, in characters.
MAX_TEXT, MAX_WORD = 300, 40

_BLANKS = str.maketrans(dict.fromkeys(PARTING, " "))


def words_of(text: str) -> list[str]:
    """The words of a text in its order, each once, in the case in which they are written."""
    parts = text[:MAX_TEXT].translate(_BLANKS).split(" ")
    return [word for word in dict.fromkeys(parts) if word]
