"""The HTTP side of the service.

POST /alerts                the webhook of Alertmanager; needs the token
POST /models/NAME/confirm   a person's word that a held retraining may begin; needs the token
POST /models/NAME/reject    a person's word that it must not; needs the token
GET  /decisions             the record, newest first (?limit=, ?model_name=, ?state=); needs the token
GET  /metrics               Prometheus
GET  /healthz               200 while decisions can be written and carried through, else 503
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from . import webhook
from .config import ConfigError, read_token
from .engine import Engine, NotWaitingError, QueueFullError
from .environments import LABELS
from .store import RecordError, Word

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
async def alerts(request: Request, engine: Running) -> Response:
    """Take a notification; what it leads to is written before the answer."""
    body = await _body(request)
    try:
        decided = engine.take(webhook.parse(body))
    except webhook.MalformedError as error:
        raise Refused(400, str(error)) from error
    except webhook.UnknownPayloadError as error:
        raise Refused(422, str(error)) from error
    full = [each["reason"] for each in decided if each["verdict"] == "queue_full"]
    if full:
        # Alertmanager sends it again; what else it asked for has been dealt with by then.
        engine.metrics.refused.labels("503").inc()
        return JSONResponse({"error": full[0], "decisions": decided}, status_code=503)
    return JSONResponse({"decisions": decided})


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    return text


Line = Annotated[str, Field(max_length=1_000), AfterValidator(_printable)]


class Said(BaseModel):
    """The body of a word; all of it may be left out."""

    model_config = ConfigDict(extra="forbid")

    who: Line = ""
    why: Line = ""
    model_version: Line | None = None
    environment: dict[str, Line] = {}


@router.post("/models/{name}/confirm", dependencies=[Depends(_authenticated)])
async def confirm(name: str, request: Request, engine: Running) -> dict[str, Any]:
    """Let a retraining begin that is held."""
    return await _say(engine, name, request, "confirmed")


@router.post("/models/{name}/reject", dependencies=[Depends(_authenticated)])
async def reject(name: str, request: Request, engine: Running) -> dict[str, Any]:
    """Let a retraining that is held, or waits for its turn, not begin for as long as its alerts last."""
    return await _say(engine, name, request, "rejected")


async def _say(
    engine: Engine, name: str, request: Request, word: Literal["confirmed", "rejected"]
) -> dict[str, Any]:
    if name not in engine.config.models:
        raise Refused(
            404, f"the configuration has no model {name!r}; it has {', '.join(engine.config.models)}"
        )
    said = _said(await _body(request) or b"{}", dict(request.query_params))
    try:
        return engine.say(
            name,
            Word(word, said.who, said.why),
            model_version=said.model_version,
            environment=said.environment,
        )
    except NotWaitingError as error:
        raise Refused(409, str(error)) from error
    except QueueFullError as error:
        raise Refused(503, str(error)) from error


def _said(body: bytes, query: dict[str, str]) -> Said:
    """Return what body and query say together; the query's word counts."""
    try:
        said = Said.model_validate_json(body)
        version = query.pop("model_version", said.model_version)
        said = Said(
            who=said.who, why=said.why, model_version=version, environment={**said.environment, **query}
        )
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "the body"
        raise Refused(400 if fault["type"] == "json_invalid" else 422, f"{where}: {fault['msg']}") from error
    unknown = sorted(set(said.environment) - set(LABELS))
    if unknown:
        raise Refused(422, f"{unknown[0]} does not tell environments apart; {', '.join(LABELS)} do")
    return said


@router.get("/decisions", dependencies=[Depends(_authenticated)])
async def decisions(
    engine: Running,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    model_name: str | None = None,
    state: str | None = None,
) -> list[dict[str, Any]]:
    """Return the record, newest first."""
    return engine.store.listing(limit=limit, model_name=model_name, state=state)


@router.get("/metrics")
async def metrics(engine: Running) -> Response:
    """Return the service's own metrics."""
    engine.measure()
    return Response(generate_latest(engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/healthz")
async def health(engine: Running) -> Response:
    """Say whether decisions can be written and carried through, and what is broken where they cannot."""
    faults = engine.faults()
    if faults:
        return JSONResponse({"status": "broken", "faults": faults}, status_code=503)
    return JSONResponse({"status": "ok"})


async def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)  # noqa: S101  for the type; registered for it alone
    _engine(request).metrics.refused.labels(str(refused.status)).inc()
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return JSONResponse({"error": str(refused)}, status_code=refused.status, headers=headers)


async def _unwritable(request: Request, error: Exception) -> Response:
    # Alertmanager tries again on a 5xx.
    engine = _engine(request)
    told = (
        error if isinstance(error, RecordError) else f"the record {engine.store.file} cannot be read: {error}"
    )
    log.error("%s", told)
    engine.metrics.refused.labels("503").inc()
    return JSONResponse({"error": f"{told}; nothing was decided or started"}, status_code=503)


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
