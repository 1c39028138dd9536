"""The palettes are readable: WCAG 2.2 AA, 4.5 to 1 for text, in light and in dark."""

import re

import pytest

from adapters.console.assets import assets

_PAIR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
PALETTE = {name: (light, dark) for name, light, dark in _PAIR.findall(assets()["style.css"].body.decode())}

TEXT_ON = [
    *[("ink", ground) for ground in ("paper", "surface", "side", "hover", "bubble", "code", "accent-soft")],
    *[("soft", ground) for ground in ("paper", "surface", "side", "hover", "code")],
    *[("accent", ground) for ground in ("paper", "surface", "side", "accent-soft")],
    *[("error", ground) for ground in ("paper", "surface")],
    ("on-accent", "accent"),
    ("paper", "ink"),
]


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_has_the_greatest_contrast():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_can_be_read_on_its_ground(text, ground, theme):
    assert contrast(PALETTE[text][theme], PALETTE[ground][theme]) >= 4.5
