"""Plain text whose lines were broken for the way (RFC 3676)."""

from __future__ import annotations

_SIGNATURE = "-- "


def unflowed(text: str, *, delete_space: bool) -> str:
    """Text in format=flowed as it was before: a line that ends in a space goes on in the next one of its quote depth.

    `delete_space` is the parameter DelSp: the space at the end was added for the break.
    """
    lines: list[list[str]] = []
    open_depth: int | None = None
    for line in text.split("\n"):
        depth, content = _quoted(line)
        flows = content.endswith(" ") and content != _SIGNATURE
        shown = content[:-1] if flows and delete_space else content
        if open_depth == depth and content != _SIGNATURE:
            lines[-1].append(shown)
        else:
            lines.append([_quote(depth), shown])
        open_depth = depth if flows else None
    return "\n".join("".join(parts) for parts in lines)


def _quoted(line: str) -> tuple[int, str]:
    """(depth of quoting, the line without its marks and without the space that shields it)."""
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")


def _quote(depth: int) -> str:
    return f"{'>' * depth} " if depth else ""
