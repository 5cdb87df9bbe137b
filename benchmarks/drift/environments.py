"""A virtual environment of its own for each peer, so that none is ever a dependency and none meets another."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from .peers import Peer

INSTALL_SECONDS = 600
# A peer has one thread, as a serving process gives its monitor; and it reports to nobody.
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
}


class NotInstalledError(Exception):
    """A peer cannot be installed here; the message says why, in a line."""


def interpreter(peer: Peer, folder: Path) -> Path:
    """Return the Python that has the peer, after installing it if it is not there yet.

    Raises NotInstalledError.
    """
    if not peer.requirements:
        return Path(sys.executable)
    wanted = "\n".join(peer.requirements)
    digest = hashlib.sha256(f"{sys.version_info[:2]}\n{wanted}".encode()).hexdigest()[:12]
    environment = folder / f"venv-{peer.key}"
    python, stamp = environment / "bin" / "python", environment / f".installed-{digest}"
    if stamp.exists():
        return python
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(environment)])
        _run(
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *peer.requirements,
            ]
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalledError(f"installing took more than {INSTALL_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalledError(lines[-1] if lines else f"pip ended with {error.returncode}") from error
    stamp.touch()
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
