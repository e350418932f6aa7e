"""What was wrong with a message, collected while it is read."""

from __future__ import annotations

#: The longest problem, in characters.
LONGEST = 500


class Notes:
    """Sentences on what was wrong, each once. They never quote the message."""

    __slots__ = ("_sentences",)

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        """Keep a sentence: no capital, no full stop."""
        self._sentences[sentence] = None

    def problem(self) -> str | None:
        """All sentences as one text of at most `LONGEST` characters; None where nothing was wrong."""
        text = "; ".join(self._sentences)
        return (text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …") or None
