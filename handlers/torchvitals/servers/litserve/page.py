"""The metrics page of a server: what the workers of all its models wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Depends, Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ...publishers.prometheus import PrometheusPublisher
from .snapshots import add_up

# Where the pages of a server are kept on its app, by path.
STATE = "torchvitals_pages"


class MetricsPage:
    """One page of one server."""

    def __init__(self) -> None:
        self._models: list[tuple[Path, str, str]] = []

    def add(self, folder: Path, *, model_name: str, model_version: str) -> None:
        """Show the series of one more model, which its workers write into a folder."""
        self._models.append((folder, model_name, model_version))

    # A plain function: FastAPI runs it in a thread, so that no request waits while files are read.
    def answer(self, request: Request) -> Response:
        """Answer a scrape."""
        registry = CollectorRegistry()
        for folder, name, version in self._models:
            publisher = PrometheusPublisher(model_name=name, model_version=version, registry=registry)
            add_up(folder, publisher)
            publisher.flush()
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})


def page_of(server: Any, path: str) -> MetricsPage:
    """Return the page of a LitServer under a path, on its first use made; it is open to whom `/health` is open to."""
    pages: dict[str, MetricsPage] = getattr(server.app.state, STATE, {})
    if path not in pages:
        page = pages[path] = MetricsPage()
        setattr(server.app.state, STATE, pages)
        server.app.add_api_route(
            path,
            page.answer,
            methods=["GET"],
            dependencies=[Depends(server.setup_auth())],
            include_in_schema=False,
        )
    return pages[path]
