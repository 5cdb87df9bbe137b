"""Archives of a style: plain and monitored, of the same source."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import yaml
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging_utils import ModelExportUtils

from stack.programs import ROOT

from .style import FOLDER, Style

FLUSH_SECONDS = 0.2
# What the two sides of a style are called, after its name. Of one length: a reply that names its model is as long.
PLAIN, MONITORED = "-p", "-m"
MONITORED_IMPORT = "from torchvitals import MonitoredHandler"
PLAIN_IMPORT = "from ts.torch_handler.base_handler import BaseHandler as MonitoredHandler"


def pack(style: Style, side: str, store: Path, *, version: str = "1.0") -> str:
    """Write an archive of one side of a style into the store; return its file name.

    As torch-model-archiver does, but without a process for each.
    """
    name = f"{style.name}{side}"
    folder = store / name
    folder.mkdir(exist_ok=True)
    files: dict[str, bytes | Path] = {}
    handler = _handler(style, side, files)
    files["model-config.yaml"] = yaml.safe_dump(_config(style, side)).encode()
    model_file = serialized = None
    if isinstance(style.model, str):
        model_file = Path(style.model).name
        files[model_file] = FOLDER / "models" / style.model
    elif style.model is not None:
        path = style.model(folder)
        serialized = path.name
        files[serialized] = path
    if style.baseline is not None and side == MONITORED:
        files["baseline.json"] = store / "baselines" / f"{style.baseline.__name__}.json"
    for extra in style.extra:
        _add(files, FOLDER / extra if isinstance(extra, str) else extra(folder))
    manifest = ModelExportUtils.generate_manifest_json(
        ModelArchiverConfig(
            model_name=name,
            handler=handler,
            runtime="python",
            model_file=model_file,
            serialized_file=serialized,
            extra_files=None,
            export_path=str(store),
            force=True,
            archive_format="default",
            version=version,
            requirements_file=None,
            config_file="model-config.yaml",
        )
    )
    archive = f"{name}.mar" if version == "1.0" else f"{name}-{version}.mar"
    with zipfile.ZipFile(store / archive, "w") as packed:
        packed.writestr("MAR-INF/MANIFEST.json", manifest)
        for file, content in files.items():
            if isinstance(content, Path):
                packed.write(content, file)
            else:
                packed.writestr(file, content)
    return archive


def write_baselines(styles: list[Style], store: Path) -> None:
    """Write the baselines that styles need, each once."""
    folder = store / "baselines"
    folder.mkdir()
    for make in {style.baseline for style in styles if style.baseline is not None}:
        make().save(folder / f"{make.__name__}.json")


def _handler(style: Style, side: str, files: dict[str, bytes | Path]) -> str:
    """Put the handler's files where they belong; return what the archive names as its handler."""
    subclass = style.handler.base is None
    numbers = (FOLDER / "handlers" / "numbers_handler.py").read_text()
    if side == MONITORED and subclass:
        files["numbers_handler.py"] = numbers.encode()
    else:
        files["numbers_handler.py"] = numbers.replace(MONITORED_IMPORT, PLAIN_IMPORT).encode()
    if subclass:
        assert style.handler.source is not None
        source = style.handler.source
        files["handler.py"] = (
            source if side == MONITORED else source.replace(MONITORED_IMPORT, PLAIN_IMPORT)
        ).encode()
        return "handler.py"
    base = style.handler.base
    assert base is not None
    if style.handler.source is not None:
        files[f"{base.partition(':')[0].removesuffix('.py')}.py"] = style.handler.source.encode()
    if side == PLAIN:
        return base
    files["monitored_handler.py"] = ROOT / "handlers" / "monitored_handler.py"
    return "monitored_handler.py"


def _config(style: Style, side: str) -> dict[str, Any]:
    workers = {"minWorkers": 1, "maxWorkers": 4, "batchSize": 1, "maxBatchDelay": 50, "responseTimeout": 300}
    config = {**workers, **style.config}
    if side == MONITORED:
        monitoring = {
            "flush_interval": FLUSH_SECONDS,
            "warmup": 0,
            "overhead_budget": None,
            **({"baseline": "baseline.json"} if style.baseline is not None else {}),
            **({"base_handler": style.handler.base} if style.handler.base is not None else {}),
            **style.monitoring,
        }
        config["handler"] = {**config.get("handler", {}), "monitoring": monitoring}
    return config


def _add(files: dict[str, bytes | Path], path: Path) -> None:
    """Add a file, or what is in a folder, as `--extra-files` does."""
    if path.is_file():
        files[path.name] = path
        return
    for file in sorted(path.rglob("*.py")):
        files[str(file.relative_to(path))] = file
