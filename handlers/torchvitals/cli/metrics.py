"""`torchvitals metrics`: the files that are generated from the table of metrics."""

from __future__ import annotations

from pathlib import Path

import typer

from ..telemetry.generate import metrics_markdown, metrics_yaml
from .console import console

app = typer.Typer(help="The metrics that TorchVitals emits.", no_args_is_help=True)


@app.command()
def generate(
    root: Path = typer.Option(Path(), help="Folder that gets metrics.yaml and docs/metrics.md."),
    check: bool = typer.Option(False, "--check", help="Write nothing; fail when a file differs."),
) -> None:
    """Write metrics.yaml (for TorchServe's metrics_config) and docs/metrics.md."""
    files = {root / "metrics.yaml": metrics_yaml(), root / "docs" / "metrics.md": metrics_markdown()}
    stale = [
        path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if check:
        for path in stale:
            typer.echo(
                f"{path} differs from its declarations (telemetry/catalogue.py, drift/statistics); "
                "run 'torchvitals metrics generate'",
                err=True,
            )
        raise typer.Exit(1 if stale else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        console.print(f"wrote {path}")
