"""Label values that a metrics system can carry, each of which still tells its original from all others."""

from __future__ import annotations

import hashlib
import re

# Longer ones are cut. Five of them, of four bytes a character, fit into what a pipe takes in one piece.
LONGEST = 128
DIGEST_DIGITS = 8
CHANGED = re.compile(rf"~[0-9a-f]{{{DIGEST_DIGITS}}}\Z")
EMPTY = "none"
# Half of a UTF-16 pair by itself has no UTF-8.
SURROGATES = re.compile(r"[\ud800-\udfff]+")


def label_value(value: str, refused: re.Pattern[str]) -> str:
    """Return a label value without what `refused` matches.

    A value that is changed ends in `~` and a digest of the original, so that values that look alike without what was
    refused stay apart. The same original gives the same text, whoever publishes it.

    Args:
        value: of any characters and any length.
        refused: runs of characters that the metrics system cannot carry; each becomes an underscore.

    >>> comma = re.compile(",+")
    >>> label_value("cuda0", comma), label_value("a,b", comma), label_value("a,,b", comma)
    ('cuda0', 'a_b~1eb7c54d', 'a_b~a6bcd59d')
    """
    text = refused.sub("_", value) or EMPTY
    # What ends like a changed value might be taken for one.
    if text == value and len(text) <= LONGEST and not CHANGED.search(text):
        return text
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_DIGITS]
    return f"{text[: LONGEST - DIGEST_DIGITS - 1]}~{digest}"
