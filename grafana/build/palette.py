"""The colours of all dashboards.

Each has a contrast of at least 3 to 1 with Grafana's dark and with its light panel background, and every two stay
apart under protanopia, deuteranopia and tritanopia. ``tests/dashboards/test_palette.py`` measures both.
"""

from __future__ import annotations

BLUE = "#3366EE"
GREEN = "#00A060"
PINK = "#CC77BB"
BROWN = "#995533"
GREY = "#666666"
VERMILION = "#D55E00"

# Lines, first to fifth. More than five lines in a graph cannot be told apart.
SERIES = (BLUE, GREEN, PINK, BROWN, GREY)

OK = GREEN
ALARM = VERMILION
NEUTRAL = BLUE

# A sequential scheme that was made for colour-blind readers.
HEATMAP_SCHEME = "Cividis"
# Of the cells of a matrix.
MATRIX_SCHEME = "continuous-blues"
