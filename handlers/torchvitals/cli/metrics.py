"""`torchvitals metrics`: the files that are generated from the table of metrics."""

from __future__ import annotations

from pathlib import Path

import typer

from ..telemetry.generate import metrics_markdown, metrics_yaml
from .generated import write_or_check

app = typer.Typer(help="The metrics that TorchVitals emits.", no_args_is_help=True)


@app.command()
def generate(
    root: Path = typer.Option(Path(), help="Folder that gets metrics.yaml and docs/metrics.md."),
    check: bool = typer.Option(False, "--check", help="Write nothing; fail when a file differs."),
) -> None:
    """Write metrics.yaml (for TorchServe's metrics_config) and docs/metrics.md."""
    files = {root / "metrics.yaml": metrics_yaml(), root / "docs" / "metrics.md": metrics_markdown()}
    write_or_check(
        files,
        check=check,
        sources="its declarations (telemetry/catalogue.py, drift/statistics)",
        command="torchvitals metrics generate",
    )
