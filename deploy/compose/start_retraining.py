"""Start of the retraining container: make a token if there is none, then become the service.

Alertmanager's container mounts the folder of the token too, and gives the token with each notification. A token that
is there is kept; both read it at every use, so that another one needs no restart.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

TOKEN = Path("/run/retraining/token")


def provide_token(file: Path) -> None:
    """Write a random token into ``file``, unless it exists; raise OSError where that cannot be done."""
    if file.exists():
        return
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.write_text(f"{secrets.token_urlsafe(32)}\n")
    # Alertmanager runs as another user. Nobody else sees the file: only these two containers have its volume.
    unfinished.chmod(0o644)
    unfinished.replace(file)


def main() -> None:
    """Make the token and run the service with this program's arguments."""
    provide_token(TOKEN)
    os.execv(sys.executable, [sys.executable, "-m", "retraining", *sys.argv[1:]])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
