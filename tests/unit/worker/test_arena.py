"""The flush thread's memory is touched once, at its start, and not page by page for hours."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from torchvitals.worker.arena import ROOM_BYTES

# In a process of its own, whose threads have taken nothing yet. Blocks of many sizes are what a flush allocates.
SCRIPT = """
import json, sys, threading
from pathlib import Path
import numpy as np
from torchvitals.worker.arena import ROOM_BYTES, take_room

def resident():
    # Counted page by page, where statm may lag behind by some pages for each core.
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

def work():
    seen.append(resident())
    room = take_room() if sys.argv[1] == "room" else None
    seen.append(resident())
    kept, left = [], int(0.8 * ROOM_BYTES)
    while left > 0:
        kept.append(np.ones(2_000 + 1_237 * len(kept) % 60_000, dtype=np.uint8))
        left -= kept[-1].nbytes
    seen.append(resident())

seen = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(json.dumps(seen))
"""


def growths(way: str) -> tuple[int, int]:
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, way], check=True, capture_output=True, text=True
    ).stdout
    begun, with_room, worked = json.loads(output.splitlines()[-1])
    return with_room - begun, worked - with_room


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries have no area for each thread"
)
def test_work_takes_place_in_the_room_that_was_taken() -> None:
    taken, more = growths("room")
    assert taken >= 0.9 * ROOM_BYTES
    assert more <= 0.1 * ROOM_BYTES
    without, work = growths("none")
    assert without <= 0.05 * ROOM_BYTES
    assert work >= 0.7 * ROOM_BYTES
