"""Start of a service that asks for a token: make one if there is none, then become the service.

``python with_token.py FILE MODULE [ARGUMENT ...]``: FILE is where the service, and whoever else has its volume, reads
the token at every use. A token that is there is kept; another one needs no restart.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path


def provide_token(file: Path) -> None:
    """Write a random token into ``file``, unless it exists; raise OSError where that cannot be done."""
    if file.exists():
        return
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.write_text(f"{secrets.token_urlsafe(32)}\n")
    # Alertmanager runs as another user than retraining. Only containers that have the volume see the file.
    unfinished.chmod(0o644)
    unfinished.replace(file)


def main() -> None:
    """Make the token and run the module with its arguments."""
    file, *module = sys.argv[1:]
    provide_token(Path(file))
    os.execv(sys.executable, [sys.executable, "-m", *module])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
