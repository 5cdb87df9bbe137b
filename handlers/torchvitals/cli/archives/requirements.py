"""Whether what an archive's code imports can be had: in the archive, in its requirements, or on this machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from .archive import Archive
from .findings import Finding
from .imports import imported

# The package of a module whose name differs from it.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "ts": "torchserve",
}
# What every worker has.
WORKER = {"torch", "ts", "torchserve", "torchvitals"}


def torchserve_handler(name: str) -> Path | None:
    """Return the file of one of TorchServe's own handlers; None where there is none, or TorchServe is not here."""
    spec = find_spec("ts")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "torch_handler" / f"{name}.py"
        if file.is_file():
            return file
    return None


def of_torchserve(name: str) -> Iterator[Finding]:
    """Tell what one of TorchServe's own handlers needs that is not installed here."""
    file = torchserve_handler(name)
    missing: dict[str, None] = {}
    waiting = [file] if file else []
    seen = set(waiting)
    while waiting:
        current = waiting.pop()
        relatives = re.findall(r"^from \.(\w+) import", current.read_text(encoding="utf-8"), re.MULTILINE)
        for other in (current.with_name(f"{relative}.py") for relative in relatives):
            if other.is_file() and other not in seen:
                seen.add(other)
                waiting.append(other)
        for module in sorted(imported(current, always=True) - WORKER):
            missing.update(dict.fromkeys(_lacking(module)))
    if missing:
        yield Finding(
            f"TorchServe's '{name}' needs {_listed(list(missing))}, which {_is(len(missing))} not installed here",
            f"pip install {' '.join(missing)} where TorchServe runs",
            "warning",
        )


def of_code(archive: Archive, files: list[Path]) -> Iterator[Finding]:
    """Tell which modules the archive's code imports that are nowhere: not in it, in its requirements, or here."""
    wanted = _required(archive)
    for file in files:
        for module in sorted(imported(file, always=True) - WORKER):
            inside = (archive.folder / f"{module}.py").is_file() or (archive.folder / module).is_dir()
            package = PACKAGES.get(module, module)
            if inside or _normal(package) in wanted or not _lacking(module):
                continue
            yield Finding(
                f"{file.name} imports '{module}', which is not in the archive, in its requirements, or installed here",
                f"pack it (it must lie beside {file.name}), or name {package} in --requirements-file",
                "warning",
            )


def _lacking(module: str) -> list[str]:
    """Return the packages that a module lacks here: its own, or those that it requires itself."""
    if module in sys.builtin_module_names or module in getattr(sys, "stdlib_module_names", ()):
        return []
    try:
        found = find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    package = PACKAGES.get(module, module)
    if not found:
        return [package]
    try:
        requires = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return []
    plain = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in requires if ";" not in text]
    return [name for name in plain if not _installed(name)]


def _installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _required(archive: Archive) -> set[str]:
    file = archive.file("requirementsFile")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file else []
    names = (re.match(r"\s*([\w.-]+)", line) for line in lines)
    return {_normal(name[1]) for name in names if name}


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
