"""The token of the service, in a file."""

from __future__ import annotations

import hmac
from pathlib import Path

from .errors import LabelsError


def read_token(file: Path) -> str:
    """Return the token in a file; read at every use, so that it can be changed while the service runs.

    Raises LabelsError where there is none.
    """
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"the token file {file} cannot be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise LabelsError(f"the token file {file} holds no token: it must be one line of printable ASCII")
    return token


def is_authorized(header: str, file: Path) -> bool:
    """Tell whether an Authorization header has the token."""
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(), read_token(file).encode()
    )
