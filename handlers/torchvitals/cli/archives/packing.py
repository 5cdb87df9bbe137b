"""`torchvitals package`: a model archive with everything that a monitored model needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Optional

import typer
import yaml

from ...errors import TorchVitalsError, one_line
from ..console import clear_errors, console
from ..shipped import package as own_package
from ..shipped import shipped
from .imports import beside

NOT_PACKED = shutil.ignore_patterns("__pycache__", "*.py[cod]", "cli", "shipped", "litserve")


def package(
    name: str = typer.Option(..., help="Name under which TorchServe serves the model."),
    version: str = typer.Option("1.0", help="The model's version."),
    handler: Optional[Path] = typer.Option(
        None,
        help="Your handler. Without one, the handler that `base_handler` in model-config.yaml names is monitored.",
    ),
    model_file: Optional[Path] = typer.Option(None, help="Python file with the model's class."),
    serialized_file: Optional[Path] = typer.Option(None, help="Weights, or the scripted model."),
    config_file: Path = typer.Option(Path("model-config.yaml"), help="TorchServe's settings of the model."),
    baseline: Optional[Path] = typer.Option(
        None, help="The baseline. Default: the file that model-config.yaml names, beside it or in baselines/."
    ),
    extra_file: Annotated[
        Optional[list[Path]], typer.Option(help="Another file or folder to pack; may be given several times.")
    ] = None,
    requirements_file: Optional[Path] = typer.Option(
        None, help="What the model needs to be installed; what the monitor needs is added."
    ),
    export_path: Path = typer.Option(Path("model-store"), help="Folder that gets NAME.mar."),
    force: bool = typer.Option(False, "--force", help="Write over an archive of the same name."),
) -> None:
    """Make a model archive: your files, what they import from beside them, the baseline, and the monitor."""
    with clear_errors(), tempfile.TemporaryDirectory() as temporary:
        if find_spec("model_archiver") is None:
            raise TorchVitalsError("torch-model-archiver is not installed: pip install torch-model-archiver")
        target = export_path / f"{name}.mar"
        if target.exists() and not force:
            raise TorchVitalsError(f"{target} exists; give --force to write over it")
        sources = [file for file in (handler, model_file) if file is not None]
        for file in (*sources, config_file, *([serialized_file] if serialized_file else [])):
            _there(file)
        chosen = baseline or _named(config_file)
        helpers = beside(sources)
        packed = Path(temporary) / "files"
        packed.mkdir()
        shutil.copytree(own_package(), packed / "torchvitals", ignore=NOT_PACKED)
        for extra in [*([chosen] if chosen else []), *helpers, *(extra_file or [])]:
            _copy(extra, packed)
        words = ["--model-name", name, "--version", version, "--config-file", str(config_file)]
        words += ["--handler", str(handler or shipped("handlers/monitored_handler.py"))]
        words += ["--model-file", str(model_file)] if model_file else []
        words += ["--serialized-file", str(serialized_file)] if serialized_file else []
        words += (
            ["--requirements-file", str(_requirements(requirements_file, Path(temporary)))]
            if requirements_file
            else []
        )
        export_path.mkdir(parents=True, exist_ok=True)
        _archive(
            [
                *words,
                "--extra-files",
                str(packed),
                "--export-path",
                str(export_path),
                *(["--force"] if force else []),
            ]
        )
    with_what = ", ".join(
        one_line(part.name) for part in [*([chosen] if chosen else []), *helpers, *(extra_file or [])]
    )
    console.print(
        f"wrote {one_line(str(target))}: {one_line(name)} {one_line(version)}"
        + (f" with {with_what}" if with_what else "")
        + ("" if chosen else "; no baseline, so drift is not watched"),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _there(file: Path) -> None:
    if not file.is_file():
        raise TorchVitalsError(f"there is no file '{file}'")


def _named(config_file: Path) -> Optional[Path]:
    """Return the baseline that the configuration names, or None where it names none."""
    try:
        content = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TorchVitalsError(f"{config_file}: is no YAML: {one_line(str(error))}") from error
    try:
        name = ((content.get("handler") or {}).get("monitoring") or {}).get("baseline")
    except AttributeError as error:
        raise TorchVitalsError(
            f"{config_file}: 'handler: monitoring:' must be a section of settings; see docs/configuration.md"
        ) from error
    if name is None:
        return None
    places = [config_file.parent / str(name), config_file.parent / "baselines" / str(name)]
    for place in (*places, Path(str(name)), Path("baselines") / str(name)):
        if place.is_file():
            return place
    raise TorchVitalsError(
        f"{config_file} names the baseline '{name}', which is neither beside it nor in baselines/; "
        "build it, or say where it is with --baseline"
    )


def _copy(source: Path, folder: Path) -> None:
    """Put a file or folder into the archive's files, under its own name."""
    target = folder / source.name
    if not source.exists():
        raise TorchVitalsError(f"there is no '{source}' to pack")
    if target.exists():
        raise TorchVitalsError(f"two files to pack are called '{source.name}'; an archive has one of a name")
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.py[cod]"))
    else:
        shutil.copy2(source, target)


def _requirements(file: Path, folder: Path) -> Path:
    """Write the model's requirements and ours into one file."""
    _there(file)
    both = folder / "requirements.txt"
    theirs = file.read_text(encoding="utf-8").rstrip("\n")
    both.write_text(
        f"{theirs}\n{shipped('handlers/requirements.txt').read_text(encoding='utf-8')}", encoding="utf-8"
    )
    return both


def _archive(words: list[str]) -> None:
    # It ends the process where something is wrong, so that it has one of its own.
    code = "from model_archiver.model_packaging import generate_model_archive; generate_model_archive()"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise TorchVitalsError(
            f"torch-model-archiver failed: {one_line(said[-1]) if said else 'it said nothing'}"
        )
