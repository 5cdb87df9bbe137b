"""Parts of documents that a program writes, between two comments that name them."""

from __future__ import annotations

import re


def pattern(name: str) -> re.Pattern[str]:
    """Return what finds a part: its opening comment, what stands in it, and its closing one."""
    return re.compile(rf"(<!-- {re.escape(name)}: [^\n]*-->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)


def filled(text: str, name: str, part: str) -> str:
    """Return a document with its part as it is now; raise ValueError where it has no place for it, or several."""
    found, count = pattern(name).subn(lambda block: f"{block[1]}\n{part}\n{block[2]}", text)
    if count != 1:
        raise ValueError(
            f"the document has {count} places between '<!-- {name}: … -->' and '<!-- /{name} -->', not one"
        )
    return found
