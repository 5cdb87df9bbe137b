"""How large: the sizes at which costs are measured."""

from __future__ import annotations

FEATURES = (1, 3, 10, 30, 100, 300, 1000)
BATCHES = (1, 4, 16, 64, 256, 1024)
IMAGE_SIDES = (8, 32, 64, 128, 224, 512, 1024)
IMAGE_SIDE = 224
WINDOW_COLUMNS = (10, 50, 100)
EVALUATED = tuple(sorted({*FEATURES, *WINDOW_COLUMNS}))
MEMORY_FEATURES = (10, 100)
