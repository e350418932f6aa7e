"""Text can be read on what it stands on, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = files("manager").joinpath("static/app.css").read_text("utf-8")

TEXTS = [
    ("ink", "ground"),
    ("ink", "paper"),
    ("ink", "good-ground"),
    ("ink", "bad-ground"),
    ("ink", "track"),
    ("quiet", "ground"),
    ("quiet", "paper"),
    ("accent", "ground"),
    ("accent", "paper"),
    ("on-accent", "accent"),
    ("good", "paper"),
    ("warn", "paper"),
    ("bad", "paper"),
]
#: Shapes that tell something: bars, the borders of fields, the ring of the focus.
SHAPES = [("accent", "track"), ("accent", "paper"), ("accent", "ground"), ("quiet", "paper")]


def palette(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root \{([^}]*)\}", CSS)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return colours | (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark)) if scheme == "dark" else {})


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXTS)
def test_text_has_contrast(scheme: str, front: str, back: str) -> None:
    colours = palette(scheme)

    assert contrast(colours[front], colours[back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), SHAPES)
def test_shapes_have_contrast(scheme: str, front: str, back: str) -> None:
    colours = palette(scheme)

    assert contrast(colours[front], colours[back]) >= 3


def test_both_schemes_define_the_same_colours() -> None:
    light, dark = re.findall(r":root \{([^}]*)\}", CSS)

    assert re.findall(r"--[a-z-]+", light) == re.findall(r"--[a-z-]+", dark)
