"""Memory that a thread works in, taken at once, so that a worker's memory stays what it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A flush of 100 features fits into it; with 15, the thread had come to touch 2.5 MB of its own area after hours.
ROOM_BYTES = 44 * 2**16
# Blocks of 128 KB and more are not put into a thread's area by glibc, but mapped on their own.
BLOCK_BYTES = 2**16


def take_room(size: int = ROOM_BYTES) -> NDArray[np.uint8]:
    """Touch `size` bytes for the calling thread to work in, free them, and return what to keep so that they stay.

    glibc gives each thread an area of memory. No two flushes take the same pieces of it, so for hours some touched a
    page that none had touched before: 0.1 MB in a quarter of an hour, which looks like a leak and hides one. Memory
    that was freed stays with the thread as long as a block that lies above it is in use.
    """
    blocks = [np.ones(BLOCK_BYTES, dtype=np.uint8) for _ in range(size // BLOCK_BYTES)]
    return blocks[-1]
