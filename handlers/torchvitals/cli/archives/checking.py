"""`torchvitals check`: what would stop an archive's model from loading, or its monitor from seeing."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer
import yaml

from ... import __version__
from ...baseline.describing import introduced
from ...baseline.schema import BaselineData
from ...config import MonitoringConfig, read_config
from ...errors import TorchVitalsError, one_line
from ..console import clear_errors, console
from . import requirements
from .archive import Archive, unpacked
from .findings import Finding
from .imports import imported


def check(
    archives: list[Path] = typer.Argument(
        ..., help="Model archives (.mar, .tar.gz), or folders of unpacked ones."
    ),
) -> None:
    """Look at archives before they are served: baseline, classes, settings, code and what it imports.

    Nothing of an archive is run. The status is 1 where a load would fail.
    """
    failed = False
    for path in archives:
        with clear_errors(), tempfile.TemporaryDirectory() as folder:
            archive = unpacked(path, Path(folder))
            found = list(findings(archive))
            about = "" if found else _about(archive)
        failed |= any(finding.level == "error" for finding in found)
        for finding in found:
            _say(f"{path}: {finding.level}: {finding.what}; {finding.fix}")
        if not found:
            _say(f"{path}: {about}")
    if failed:
        raise typer.Exit(1)


def _say(line: str) -> None:
    console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def findings(archive: Archive) -> Iterator[Finding]:
    """Return everything that is wrong with an archive, the code first."""
    yield from _of_handler(archive)
    try:
        config = _config(archive)
    except TorchVitalsError as error:
        yield Finding(str(error), "mend the file, and pack it again")
        return
    if config.base_handler is not None:
        yield from _of_base_handler(archive, config.base_handler)
    if config.baseline is None:
        if config.learn is None:
            yield Finding(
                "model-config.yaml names no baseline, so drift is not watched",
                "build one (torchvitals baseline build) and name it under handler: monitoring: baseline:",
                "warning",
            )
        return
    try:
        baseline = _baseline(archive, config.baseline)
        config.features.check(baseline)
    except TorchVitalsError as error:
        yield Finding(str(error), "pack the right file again")
        return
    yield from _of_baseline(archive, baseline)
    yield from _of_classes(archive, baseline)


def _about(archive: Archive) -> str:
    config = _config(archive)
    if config.baseline is None:
        return f"{archive.name} {archive.version}: learns its baseline from the first {config.learn:,} rows"
    return f"{archive.name} {archive.version}: {introduced(_baseline(archive, config.baseline))}"


def _code(archive: Archive) -> list[Path]:
    """Return the archive's Python files that are the user's: handler, model, and modules beside them."""
    return sorted(file for file in archive.folder.glob("*.py") if file.is_file())


def _of_handler(archive: Archive) -> Iterator[Finding]:
    said = str(archive.manifest.get("handler", ""))
    name = said.partition(":")[0]
    file = archive.folder / (name if name.endswith(".py") else f"{name}.py")
    if not file.is_file():
        own = requirements.torchserve_handler(name)
        if own is None:
            yield Finding(
                f"its handler '{said}' is neither in it nor one of TorchServe's", "give --handler a file"
            )
        else:
            yield Finding(
                f"its handler is TorchServe's '{name}', which nothing monitors",
                f"leave --handler out, and name it in model-config.yaml: base_handler: {name}",
            )
        return
    readable = []
    for code in _code(archive):
        try:
            imported(code)
            readable.append(code)
        except TorchVitalsError as error:
            yield Finding(str(error).replace(f"{archive.folder}/", ""), "mend it, and pack it again")
    yield from requirements.of_code(archive, readable)
    monitored = any("torchvitals" in imported(code) for code in readable)
    if not monitored:
        yield Finding(
            f"its handler '{said}' is not monitored: nothing in it imports torchvitals",
            "derive it from torchvitals.MonitoredHandler, or name it as base_handler: and leave --handler out",
        )
    yield from _of_package(archive, needed=monitored)


def _of_package(archive: Archive, *, needed: bool) -> Iterator[Finding]:
    inside = archive.folder / "torchvitals" / "_version.py"
    if not inside.is_file():
        if needed:
            yield Finding(
                "it does not hold the package torchvitals, which its handler imports",
                "make it with 'torchvitals package', or install torchvitals where TorchServe runs",
                "warning",
            )
        return
    version = re.search(r'__version__ = "([^"]+)"', inside.read_text(encoding="utf-8"))
    if version and version[1] != __version__:
        yield Finding(
            f"it holds torchvitals {version[1]}, and {__version__} is installed here",
            "pack it again with the version that you want to serve",
            "warning",
        )


def _config(archive: Archive) -> MonitoringConfig:
    file = archive.file("configFile")
    if file is None:
        return MonitoringConfig()
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TorchVitalsError(f"{file.name}: is no YAML: {one_line(str(error))}") from error
    if content is not None and not isinstance(content, dict):
        raise TorchVitalsError(f"{file.name}: must be a mapping of settings, and is {type(content).__name__}")
    return read_config(content, file.name)


def _of_base_handler(archive: Archive, said: str) -> Iterator[Finding]:
    name = said.partition(":")[0].removesuffix(".py").split("/")[-1]
    if (archive.folder / f"{name}.py").is_file() or (archive.folder / name).is_dir():
        return
    if requirements.torchserve_handler(name) is None:
        yield Finding(
            f"model-config.yaml: base_handler '{said}' is neither in the archive nor one of TorchServe's",
            "pack its file (--extra-file), or correct the name",
        )
        return
    yield from requirements.of_torchserve(name)


def _baseline(archive: Archive, name: str) -> BaselineData:
    file = archive.folder / name
    if not file.is_file():
        near = sorted(
            path.name for path in archive.folder.glob("*.json") if path.name != "index_to_name.json"
        )
        there = f"; it holds {', '.join(near)}" if near else ""
        raise TorchVitalsError(
            f"model-config.yaml names the baseline '{name}', which is not in the archive{there}"
        )
    try:
        return BaselineData.load(file)
    except TorchVitalsError as error:
        raise TorchVitalsError(str(error).replace(str(file), name)) from error


def _of_baseline(archive: Archive, baseline: BaselineData) -> Iterator[Finding]:
    if baseline.name not in ("model", archive.name):
        yield Finding(
            f"its baseline is of '{baseline.name}' {baseline.version}, and it holds '{archive.name}' {archive.version}",
            "pack the model's own baseline, or build it with --name and --version of this one",
            "warning",
        )
    elif baseline.name == archive.name and baseline.version != archive.version:
        yield Finding(
            f"its baseline is of version {baseline.version}, and the model is version {archive.version}",
            "build the baseline of this version, of what this version was trained on",
            "warning",
        )


def _of_classes(archive: Archive, baseline: BaselineData) -> Iterator[Finding]:
    file = archive.folder / "index_to_name.json"
    if not file.is_file():
        return
    try:
        content: dict[str, Any] = msgspec.convert(json.loads(file.read_bytes()), dict[str, Any])
        names = [_class(content[place]) for place in sorted(content, key=int)]
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        yield Finding(
            f"index_to_name.json cannot be read as names by number: {one_line(str(error))}",
            'write it as {"0": "cat", "1": "dog"}',
        )
        return
    classes = getattr(baseline.outputs, "classes", None) or []
    if classes and len(classes) != len(names):
        yield Finding(
            f"index_to_name.json names {len(names)} classes, and the baseline has {len(classes)}",
            "build the baseline with the classes of this model",
        )
    elif classes and list(classes) != names and not all(str(one).isdigit() for one in classes):
        place = next(i for i, pair in enumerate(zip(classes, names)) if pair[0] != pair[1])
        yield Finding(
            f"class {place} is '{names[place]}' in index_to_name.json and '{classes[place]}' in the baseline",
            "give the baseline the classes in the model's order (--class-names)",
        )


def _class(said: Any) -> str:
    """Return the name of a class; image classifiers have [id, name]."""
    return str(said[-1]) if isinstance(said, list) else str(said)
