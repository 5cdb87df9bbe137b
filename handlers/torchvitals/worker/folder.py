"""Where a worker keeps what outlives the unpacked archive, which is its process's folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def lasting_folder() -> Path:
    """Return the folder of TorchServe's logs, or one of our own beside what is temporary."""
    return Path(os.environ.get("LOG_LOCATION") or os.path.join(tempfile.gettempdir(), "torchvitals"))
