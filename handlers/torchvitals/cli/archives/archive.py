"""A model archive as files: unpacked, with its manifest read."""

from __future__ import annotations

import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import TorchVitalsError, one_line

MANIFEST = "MAR-INF/MANIFEST.json"
# An archive is code and weights of people who trust each other, and yet may be made by a broken program.
MOST_FILES = 100_000


@dataclass(frozen=True)
class Archive:
    """An archive's files in a folder. manifest: of its model, such as handler, modelFile, configFile."""

    folder: Path
    name: str
    version: str
    manifest: dict[str, Any]

    def file(self, key: str) -> Path | None:
        """Return the file that the manifest names under a key; None where it names none or it is not there."""
        said = self.manifest.get(key)
        found = self.folder / str(said) if said else None
        return found if found is not None and found.is_file() else None


def unpacked(path: Path, folder: Path) -> Archive:
    """Unpack an archive (.mar, .tar.gz, or a folder, which is read where it is) and read its manifest.

    Raises TorchVitalsError where it is none.
    """
    if path.is_dir():
        folder = path
    elif not path.is_file():
        raise TorchVitalsError(f"there is no archive '{path}'")
    else:
        _unpack(path, folder)
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise TorchVitalsError(
            f"{path}: has no {MANIFEST}, so it is no model archive; make one with 'torchvitals package'"
        )
    try:
        model = json.loads(manifest.read_text(encoding="utf-8"))["model"]
        return Archive(folder, str(model["modelName"]), str(model["modelVersion"]), dict(model))
    except (ValueError, KeyError, TypeError) as error:
        raise TorchVitalsError(f"{path}: {MANIFEST} cannot be read: {one_line(str(error))}") from error


def _unpack(path: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                _few(len(packed.infolist()), path)
                packed.extractall(folder)  # noqa: S202 - it writes nothing outside the folder
            return
        with tarfile.open(path) as packed_tar:
            members = packed_tar.getmembers()
            _few(len(members), path)
            for member in members:
                inside = PurePosixPath(member.name)
                if not (member.isfile() or member.isdir()) or inside.is_absolute() or ".." in inside.parts:
                    raise TorchVitalsError(
                        f"{path}: '{one_line(member.name)}' is no plain file in the archive's folder"
                    )
            packed_tar.extractall(folder, members)  # noqa: S202 - each member was looked at
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        raise TorchVitalsError(f"{path}: cannot be unpacked: {one_line(str(error))}") from error


def _few(files: int, path: Path) -> None:
    if files > MOST_FILES:
        raise TorchVitalsError(f"{path}: has {files:,} files; at most {MOST_FILES:,} are looked at")
