"""Text can be read on what it stands on, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

STYLES = Path(str(files("manager").joinpath("static/css")))
TOKENS = (STYLES / "tokens.css").read_text("utf-8")

GROUNDS = ("ground", "rail", "paper", "raised", "hover", "chosen")
TINTS = ("good-ground", "warn-ground", "bad-ground", "accent-ground")
TEXTS = [
    *((front, back) for front in ("ink", "soft", "quiet", "accent") for back in GROUNDS),
    *((front, back) for front in ("good", "warn", "bad") for back in ("ground", "paper", "hover", "chosen")),
    *(("ink", back) for back in (*TINTS, "track")),
    *(("soft", back) for back in TINTS),
    ("soft", "track"),
    ("good", "good-ground"),
    ("warn", "warn-ground"),
    ("bad", "bad-ground"),
    ("accent", "accent-ground"),
    ("on-accent", "accent"),
    ("on-bad", "bad"),
]
#: Shapes that tell something: bars, the borders of fields, the ring of the focus, the lines of charts.
SHAPES = [
    ("accent", "track"),
    ("accent", "paper"),
    ("accent", "ground"),
    ("field", "paper"),
    ("bad-shape", "paper"),
    ("series-bar", "paper"),
    *((f"series-{number}", "paper") for number in range(1, 5)),
]


def palette(scheme: str) -> dict[str, str]:
    pairs = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", TOKENS)
    return {name: dark if scheme == "dark" else light for name, light, dark in pairs}


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


def sheets() -> list[Path]:
    return sorted(STYLES.glob("*.css"))


@pytest.mark.parametrize("sheet", sheets(), ids=lambda sheet: sheet.name)
def test_every_token_that_is_used_is_defined(sheet: Path) -> None:
    used = set(re.findall(r"var\(--([a-z0-9-]+)", sheet.read_text("utf-8")))
    defined = set(re.findall(r"--([a-z0-9-]+):", TOKENS + sheet.read_text("utf-8")))

    assert used - defined == set()


@pytest.mark.parametrize("sheet", [sheet for sheet in sheets() if sheet.name != "tokens.css"], ids=lambda s: s.name)
def test_colours_are_named_in_one_place(sheet: Path) -> None:
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;,) ])", sheet.read_text("utf-8")) == []
