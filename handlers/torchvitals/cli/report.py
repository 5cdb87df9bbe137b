"""`torchvitals report`: a page about one model out of Prometheus, for incident records and without Grafana."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

import typer

from ..errors import TorchVitalsError
from .console import clear_errors, console


def report(
    model: str = typer.Option(..., help="Name under which TorchServe serves the model."),
    last: str = typer.Option("1h", help="Length of the time to report on: 30m, 1h, 12h, 7d."),
    until: Optional[str] = typer.Option(
        None, help="End of that time, such as 2026-03-01T14:30 (UTC). Default: now."
    ),
    prometheus: str = typer.Option("http://127.0.0.1:9090", help="Address of Prometheus."),
    output: Path = typer.Option(Path("report.html"), help="File to write."),
    png: bool = typer.Option(
        False, "--png", help="Also write a picture of each dashboard beside it; needs Chromium."
    ),
    dashboard: Optional[list[str]] = typer.Option(
        None, help="overview, model, drift, versions or health; may be given several times. Default: all."
    ),
    version: Optional[str] = typer.Option(None, help="Model version. Default: the one with most calls."),
    canary: Optional[str] = typer.Option(
        None, help="Version that is compared with it. Default: the newest other one."
    ),
    feature: Optional[str] = typer.Option(
        None, help="Feature whose distribution is shown. Default: the one that moved most."
    ),
    window: Optional[str] = typer.Option(None, help="Window size in rows. Default: the smallest."),
    scrape_interval: Optional[str] = typer.Option(
        None, help="How often Prometheus scrapes TorchServe, such as 30s. Default: as Prometheus says."
    ),
) -> None:
    """Write one HTML page with the dashboards of a model: no network, no Grafana needed to read it."""
    with clear_errors():
        try:
            import torchvitals_report as made
        except ModuleNotFoundError as error:
            raise TorchVitalsError(
                f"'{error.name}' is not installed; pip install 'torchvitals[report]'"
            ) from error
        chosen = tuple(name for name in made.NAMES if name in (dashboard or made.NAMES))
        unknown = set(dashboard or ()) - set(made.NAMES)
        if unknown:
            raise made.ReportError(
                f"--dashboard: there is no '{min(unknown)}'; there are {', '.join(made.NAMES)}"
            )
        end = made.parse_moment(until) if until else time.time()
        with made.Prometheus(prometheus) as source:
            data = made.collect(
                source,
                made.Choice(model, version, canary, feature, window),
                start=end - made.parse_duration(last),
                end=end,
                dashboards=chosen,
                scrape_seconds=made.parse_duration(scrape_interval) if scrape_interval else None,
            )
        made.write_page(data, output)
        console.print(f"wrote {output}")
        for path in made.write_pictures(data, output) if png else []:
            console.print(f"wrote {path}")
