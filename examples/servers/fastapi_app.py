"""Serve the flight delay model with FastAPI, and watch it: ``uvicorn examples.servers.fastapi_app:app``.

It reads model.pt and flight_delay-1.0.json, which examples/flight_delay/README.md says how to make, from
.run/flight_delay or the folder FLIGHTS.

One process shows its metrics under /metrics. Of several (``--workers 2``) each has metrics of its own and serves them
on a port of its own: METRICS_PORTS=9101-9102 names as many ports as there are workers.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, start_http_server
from pydantic import BaseModel

from examples.flight_delay.model import FlightDelayNet
from torchvitals import Baseline, MonitoredModel, MonitoringConfig
from torchvitals.publishers.prometheus import PrometheusPublisher

FOLDER = Path(os.environ.get("FLIGHTS", ".run/flight_delay"))
METRICS_PORTS = os.environ.get("METRICS_PORTS", "")
FLUSH_SECONDS = float(os.environ.get("FLUSH_SECONDS", "5"))

registry = CollectorRegistry()


class Flight(BaseModel):
    """A flight before its departure; None where a value is not known."""

    hour: float | None
    minute: float | None
    distance: float | None
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_speed: float | None
    precip: float | None
    pressure: float | None
    visib: float | None


def monitored_model() -> MonitoredModel:
    """Load the model, and watch it from now on."""
    network = FlightDelayNet()
    network.load_state_dict(torch.load(FOLDER / "model.pt", weights_only=True))
    return MonitoredModel(
        network.eval(),
        Baseline.load(FOLDER / "flight_delay-1.0.json"),
        config=MonitoringConfig(window=[500, 1000], flush_interval=FLUSH_SECONDS),
        publisher=PrometheusPublisher(model_name="flight_delay", model_version="1.0", registry=registry),
    )


def serve_metrics(ports: Iterable[int]) -> None:
    """Serve this process's metrics on the first of the ports that no other worker serves on."""
    for port in ports:
        try:
            start_http_server(port, addr="127.0.0.1", registry=registry)
            return
        except OSError:
            continue
    raise RuntimeError(
        f"METRICS_PORTS={METRICS_PORTS}: all are in use; name as many ports as there are workers"
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model in each worker, once it has its own process."""
    app.state.model = monitored_model()
    if METRICS_PORTS:
        first, _, last = METRICS_PORTS.partition("-")
        serve_metrics(range(int(first), int(last or first) + 1))
    yield
    app.state.model.close()


app = FastAPI(lifespan=lifespan)


def the_model(request: Request) -> MonitoredModel:
    """Return the model of this process."""
    model: MonitoredModel = request.app.state.model
    return model


@app.post("/predict")
async def predict(flight: Flight, model: Annotated[MonitoredModel, Depends(the_model)]) -> dict[str, Any]:
    """Return the likeliest class and the probability of each."""
    values = [getattr(flight, name) for name in FlightDelayNet.COLUMNS]
    row = torch.tensor([[torch.nan if value is None else value for value in values]])
    # In a thread: meanwhile the event loop takes other requests.
    logits = await run_in_threadpool(model.predict, row)
    scores = dict(zip(FlightDelayNet.CLASSES, logits.softmax(1)[0].tolist()))
    return {"class": max(scores, key=scores.__getitem__), "probabilities": scores}


@app.get("/metrics")
def metrics() -> Response:
    """Show this process's metrics."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
