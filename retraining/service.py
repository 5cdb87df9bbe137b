"""The HTTP side of the service.

POST /alerts     Alertmanager's webhook; needs the token
GET  /decisions  the record, newest first (?limit=, ?model_name=); needs the token
GET  /metrics    Prometheus
GET  /healthz    200 while decisions can be written and every action could be carried through, else 503
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from . import webhook
from .config import ConfigError, read_token
from .engine import Engine

LARGEST_BODY_BYTES = 1_000_000
# A larger body is read to its end and thrown away, up to this, so that the sender gets to read the answer.
DRAINED_BYTES = 64_000_000
log = logging.getLogger("retraining")


class Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """The request is refused with this status; nothing was changed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


Running = Annotated[Engine, Depends(_engine)]


def _authenticated(request: Request, engine: Running) -> None:
    # The token is read each time, so that a new one needs no restart.
    try:
        wanted = read_token(engine.config.token_file)
    except ConfigError as error:
        log.error("%s", error)
        raise Refused(503, "the service's token file cannot be read") from error
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), wanted.encode())
    if scheme.lower() != "bearer" or not same:
        raise Refused(401, "give the service's token: 'Authorization: Bearer TOKEN'")


router = APIRouter()


@router.post("/alerts", dependencies=[Depends(_authenticated)])
async def alerts(request: Request, engine: Running) -> dict[str, Any]:
    """Take a notification; what it leads to is written before the answer."""
    body = await _body(request)
    try:
        return {"decisions": engine.take(webhook.parse(body))}
    except webhook.MalformedError as error:
        raise Refused(400, str(error)) from error
    except webhook.UnknownPayloadError as error:
        raise Refused(422, str(error)) from error


@router.get("/decisions", dependencies=[Depends(_authenticated)])
async def decisions(
    engine: Running, limit: Annotated[int, Query(ge=1, le=1000)] = 100, model_name: str | None = None
) -> list[dict[str, Any]]:
    """Return the record, newest first."""
    return engine.store.listing(limit=limit, model_name=model_name)


@router.get("/metrics")
async def metrics(engine: Running) -> Response:
    """Return the service's own metrics."""
    return Response(generate_latest(engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/healthz")
async def health(engine: Running) -> Response:
    """Say whether decisions can be written and actions were carried through."""
    try:
        engine.store.check()
        fault = engine.fault
    except sqlite3.Error as error:
        fault = f"the record of decisions cannot be written: {error}"
    return JSONResponse({"status": fault or "ok"}, status_code=200 if fault is None else 503)


async def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)  # noqa: S101  for the type; registered for it alone
    _engine(request).metrics.refused.labels(str(refused.status)).inc()
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return JSONResponse({"error": str(refused)}, status_code=refused.status, headers=headers)


async def _unwritable(request: Request, error: Exception) -> Response:
    # Alertmanager tries again on a 5xx.
    log.error("the record of decisions cannot be used: %s", error)
    _engine(request).metrics.refused.labels("503").inc()
    return JSONResponse({"error": "the record of decisions cannot be used"}, status_code=503)


def application(engine: Engine) -> FastAPI:
    """Return the service around an engine, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        await engine.stop()

    app = FastAPI(title="Retraining", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.engine = engine
    app.include_router(router)
    app.add_exception_handler(Refused, _refuse)
    app.add_exception_handler(sqlite3.Error, _unwritable)
    return app


async def _body(request: Request) -> bytes:
    """Return the body; raise Refused when it is too large, or ends early."""
    body, length = bytearray(), 0
    try:
        async for chunk in request.stream():
            length += len(chunk)
            if length <= LARGEST_BODY_BYTES:
                body += chunk
            elif length > DRAINED_BYTES:
                break
    except ClientDisconnect as error:
        raise Refused(400, "the connection ended before the body did") from error
    if length > LARGEST_BODY_BYTES:
        raise Refused(413, f"the body is larger than {LARGEST_BODY_BYTES} bytes")
    return bytes(body)
