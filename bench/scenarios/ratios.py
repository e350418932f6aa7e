"""Retinue's figures as shares of the peers' in the same run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import RETINUE, Figure


def of_best(figures: Sequence[Figure], what: str, *, peers: tuple[str, ...], goal: float | None) -> list[Figure]:
    """Per cent of the best peer whose name has one of these parts; nothing when none was measured."""
    return [_ratio(figures, what, best, unit="%", factor=100, goal=goal) for best in _best(figures, what, peers)]


def times_best(figures: Sequence[Figure], what: str, *, peers: tuple[str, ...], goal: float | None) -> list[Figure]:
    """How many times the best of these peers."""
    return [_ratio(figures, what, best, unit="×", factor=1, goal=goal) for best in _best(figures, what, peers)]


def _best(figures: Sequence[Figure], what: str, peers: tuple[str, ...]) -> list[Figure]:
    found = [figure for figure in figures if figure.what == what and any(part in figure.who for part in peers)]
    own = any((figure.who, figure.what) == (RETINUE, what) for figure in figures)
    return sorted(found, key=lambda figure: figure.median)[-1:] if own else []


def _ratio(
    figures: Sequence[Figure], what: str, best: Figure, *, unit: str, factor: float, goal: float | None
) -> Figure:
    own = next(figure for figure in figures if (figure.who, figure.what) == (RETINUE, what))
    value = factor * own.median / best.median
    return Figure(who=RETINUE, what=f"{what}, of {best.who}", unit=unit, values=(value,), goal=goal)
