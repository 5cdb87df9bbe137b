"""What a Python file imports, read without running it."""

from __future__ import annotations

import ast
from pathlib import Path

from ...errors import TorchVitalsError, one_line


def imported(file: Path, *, always: bool = False) -> set[str]:
    """Return the top-level names of all modules that a file imports, wherever in it.

    always: only those that it cannot be loaded without, which no `try`, `if` or function is around.
    Raises TorchVitalsError where it is not Python.
    """
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        raise TorchVitalsError(f"{file}: cannot be read as Python: {one_line(str(error))}") from error
    names = set()
    for node in tree.body if always else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def beside(files: list[Path]) -> list[Path]:
    """Return the modules and packages that lie beside files and that these import, and so on from there.

    `torchvitals` is none of them: it is packed anyway.
    """
    found: dict[Path, None] = {}
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        for name in sorted(imported(file)):
            for place in (file.parent / f"{name}.py", file.parent / name):
                known = place in found or place in files or name == "torchvitals"
                if known or not (place.is_file() or (place / "__init__.py").is_file()):
                    continue
                found[place] = None
                waiting += [place] if place.is_file() else sorted(place.rglob("*.py"))
    # A package's own modules are found beside each other as well, and are packed with it.
    return [place for place in found if not any(other in place.parents for other in found)]
