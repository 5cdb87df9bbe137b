"""h2load, of Debian's package nghttp2-client: a load generator that writes down each request's begin and duration.

It goes on sending at the rate that it is given when answers are late, within the connections that it has: a request
waits only for the one before it on its own connection, and that was sent PACED_CONNECTIONS requests earlier.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACED_CONNECTIONS = 20
# h2load 1.52 hears of a status by the phrase behind it. TorchServe's 200 has none, which makes 0; its errors have one.
ANSWERED = (200, 0)


@dataclass(frozen=True)
class Requests:
    """When each request was sent, seconds since 1970, and how long it took, seconds; both (n,)."""

    sent: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sent)


def installed() -> bool:
    """Tell whether the program is there."""
    return shutil.which("h2load") is not None


def read_log(text: str) -> Requests:
    """Return the requests of h2load's log: microseconds since 1970, status, microseconds, a line each.

    Raises RuntimeError where there are none, or one failed.
    """
    rows = np.array([line.split("\t")[:3] for line in text.splitlines()], dtype=np.int64).reshape(-1, 3)
    failed = rows[~np.isin(rows[:, 1], ANSWERED), 1]
    if not len(rows) or len(failed):
        raise RuntimeError(
            f"{len(failed)} of {len(rows)} requests failed (statuses {sorted(set(failed.tolist()))}, "
            "-1 is no answer)"
        )
    return Requests(sent=rows[:, 0] / 1e6, seconds=rows[:, 2] / 1e6)


def paced(url: str, body: Path, *, gap_milliseconds: int, seconds: int) -> Requests:
    """Post a body once every `gap_milliseconds`, evenly, and return the requests."""
    each = max(1, round(seconds * 1000 / gap_milliseconds / PACED_CONNECTIONS))
    # Connections are made one a gap, so that each keeps a phase of its own; made at once they would send at once.
    return _run(
        url,
        body,
        *(f"--clients={PACED_CONNECTIONS}", f"--requests={each * PACED_CONNECTIONS}"),
        *("--rate=1", f"--rate-period={gap_milliseconds}ms"),
        f"--rps={1000 / gap_milliseconds / PACED_CONNECTIONS:.6f}",
    )


def saturating(url: str, body: Path, *, connections: int, seconds: int) -> Requests:
    """Post a body over connections that are kept busy, and return the requests."""
    return _run(url, body, f"--clients={connections}", f"--duration={seconds}")


def _run(url: str, body: Path, *options: str) -> Requests:
    log = body.with_suffix(".log")
    log.unlink(missing_ok=True)  # h2load appends
    words = ["h2load", "--h1", f"--data={body}", "--header=Content-Type: application/json", *options]
    subprocess.run([*words, f"--log-file={log}", url], check=True, capture_output=True)
    return read_log(log.read_text(encoding="ascii"))
