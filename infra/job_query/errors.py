"""What is wrong with a query, and where."""

from __future__ import annotations

from retinue.errors import RetinueError


class QueryError(RetinueError):
    """A query that cannot be read. `start` and `end` are the characters it is about."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end
