"""`torchvitals export`: what a stack needs of us, laid out as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from .console import clear_errors, console
from .kept import Kept
from .shipped import shipped

# What goes where, by the path in the repository.
PARTS = {
    "prometheus": ["prometheus/prometheus.yml", "prometheus/rules.yml", "prometheus/alerts.yml"],
    "alertmanager": ["alertmanager"],
    "grafana": ["grafana/dashboards", "grafana/importable", "grafana/provisioning"],
    "torchserve": ["config.properties", "log4j2.xml", "metrics.yaml", "handlers/requirements.txt"],
}


def files_of(part: str) -> dict[Path, str]:
    """Return the text of each file of a part, by its path below the folder that it is written to."""
    found = {}
    for name in PARTS[part]:
        source = shipped(name)
        # A file of a folder keeps its place in it.
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                inside = file.relative_to(source).as_posix() if source.is_dir() else ""
                place = "/".join([*name.split("/")[1:], inside]).strip("/") or Path(name).name
                found[Path(part) / place] = file.read_text(encoding="utf-8")
    return found


def export(
    folder: Path = typer.Argument(Path("torchvitals"), help="Folder that gets the files."),
    part: Annotated[
        Optional[list[str]],
        typer.Option(help=f"One of {', '.join(PARTS)}; may be given several times. Default: all."),
    ] = None,
    force: bool = typer.Option(False, "--force", help="Write over files that you have changed, too."),
) -> None:
    """Lay out rules, alerts, routes, dashboards and TorchServe's settings, for a stack of your own.

    Written again after an upgrade, it renews what you have not changed, and names the rest.
    """
    unknown = sorted(set(part or ()) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"there is no part '{unknown[0]}'; there are {', '.join(PARTS)}")
    with clear_errors():
        kept = Kept(folder)
        for name in part or PARTS:
            for path, text in files_of(name).items():
                kept.write(path, text, force=force)
        kept.save()
    for line in kept.said:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if kept.left:
        raise typer.Exit(1)
