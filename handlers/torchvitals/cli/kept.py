"""Files that a command writes into a user's folder, and may write again: what the user has changed is kept.

The folder's `.torchvitals.json` has the SHA-256 of each file as it was written. A file that is no longer that, or that
was there before, is the user's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .. import __version__
from ..errors import TorchVitalsError, one_line

RECORD = ".torchvitals.json"


class Kept:
    """The files of one folder.

    said: a line for each file that was written or left. left: the files that were not written, as they are the user's.
    Raises TorchVitalsError for a record that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.left: list[Path] = []
        self._sums = self._read()

    def write(self, path: Path, text: str, *, force: bool = False) -> bool:
        """Write a file, `path` as seen from the folder, unless it is the user's; return whether it is as `text` now."""
        file, new = self.folder / path, _sum(text.encode())
        known = self._sums.get(path.as_posix())
        if file.is_symlink() or (file.exists() and not file.is_file()):
            return self._leave(path, "is no file of its own")
        if file.exists():
            there = _sum(file.read_bytes())
            if there == new:
                self._sums[path.as_posix()] = new
                return True
            if there != known and not force:
                return self._leave(path, "is yours" if known is None else "is changed")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
        self._sums[path.as_posix()] = new
        self.said.append(f"wrote {one_line(str(file))}")
        return True

    def save(self) -> None:
        """Write down what was written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"torchvitals": __version__, "files": dict(sorted(self._sums.items()))}
        (self.folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _leave(self, path: Path, why: str) -> bool:
        self.left.append(path)
        self.said.append(f"left {one_line(str(self.folder / path))}, which {why}; --force writes over it")
        return False

    def _read(self) -> dict[str, str]:
        file = self.folder / RECORD
        if not file.exists():
            return {}
        try:
            files = json.loads(file.read_text(encoding="utf-8"))["files"]
            return {str(path): str(known) for path, known in files.items()}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise TorchVitalsError(
                f"{file}: cannot be read ({error}); remove it, and files that differ from ours count as yours"
            ) from error


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
