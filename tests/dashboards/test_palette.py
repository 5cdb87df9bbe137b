"""The colours can be told apart from the background and from each other, by everybody."""

from __future__ import annotations

import itertools
import math

import pytest

from grafana.build import palette
from torchvitals_report import charts

# Panel backgrounds of Grafana's two themes (packages/grafana-data/src/themes/createColors.ts).
DARK, LIGHT = "#181B1F", "#FFFFFF"
COLOURS = (*palette.SERIES, palette.ALARM)

# Machado, Oliveira and Fernandes (2009), severity 1.0, for linear RGB.
VISION = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour: str) -> list[float]:
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, vision: str) -> tuple[float, float, float]:
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * value for weight, value in zip(row, linear(colour)))))
        for row in VISION[vision]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def test_the_report_draws_with_the_same_colours() -> None:
    assert charts.SERIES == palette.SERIES


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("background", [DARK, LIGHT])
@pytest.mark.parametrize("colour", COLOURS)
def test_contrast_with_both_themes(colour: str, background: str) -> None:
    # 3 to 1 is what WCAG 2.2 asks of graphical objects (success criterion 1.4.11).
    assert contrast(colour, background) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart(vision: str) -> None:
    for first, second in itertools.combinations(COLOURS, 2):
        # About 2.3 is just noticeable; 15 is told apart at a glance, also on a thin line.
        assert math.dist(lab(first, vision), lab(second, vision)) >= 15, (first, second)
