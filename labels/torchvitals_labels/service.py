"""The labels service: takes predictions from files and labels over HTTP, and exposes what became of them.

POST /labels    labels: JSON, JSON lines or CSV; needs the token
GET  /metrics   Prometheus
GET  /healthz   200 while the store can be written, else 503
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Optional, TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import quantities as q
from .collecting import Collector, waiting
from .database import Database
from .errors import LabelsError, StoreError
from .exposition import Exposition, Seen
from .rows import JSON, KINDS, Columns, Row, read_rows
from .store import Label, Refusal, Store, Taken
from .tokens import is_authorized

LARGEST_BODY_BYTES = 16 * 2**20
# A larger body is read to its end and thrown away, up to this, so that the sender gets to read the answer.
DRAINED_BYTES = 128 * 2**20
ROWS = 10_000
MOST_REFUSALS = 100
COLLECT_SECONDS, TURN_SECONDS, RETRY_SECONDS, PRUNE_SECONDS = 1.0, 1.0, 5.0, 600.0
log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """How the service runs.

    name: under which it counts; each service of a fleet has its own, and keeps it. folders: where workers leave
    predictions. keep_seconds, keep_rows: what the store forgets predictions and labels by.
    """

    store: str
    name: str
    folders: tuple[Path, ...]
    token_file: Path
    keep_seconds: float = 90 * 86_400.0
    keep_rows: int = 10_000_000


class Service:
    """Uses the store in a thread of its own, one thing after the other; tries again while the store is down."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._thread = ThreadPoolExecutor(1, "labels-store")
        self._store: Optional[Store] = None
        self._collector = Collector(settings.folders)
        self._seen = Seen()
        self._fault: Optional[str] = None
        self._pruned = time.monotonic()
        self._ended: Optional[asyncio.Event] = None

    async def run(self) -> None:
        """Collect predictions, again and again, until `stop`."""
        self._ended = asyncio.Event()
        while not self._ended.is_set():
            try:
                # Whoever asks for metrics, or brings labels, has a turn in between.
                pause = COLLECT_SECONDS if await self._with_store(self._turn) else 0.0
                self._tell(None)
            except StoreError as error:
                self._tell(str(error))
                pause = RETRY_SECONDS
            except Exception:
                # Whatever a turn raises, the next one comes.
                log.exception("taking predictions in failed")
                pause = RETRY_SECONDS
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), pause)

    def stop(self) -> None:
        """End `run`, and close the store."""
        if self._ended is not None:
            self._ended.set()
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    async def take(self, rows: Sequence[Row]) -> Taken:
        """Keep labels, and count those that are none. Raises StoreError where they cannot be kept."""
        return await self._with_store(lambda store: _take_rows(store, rows))

    async def fault(self) -> Optional[str]:
        """Return why the store cannot be written; None where it can."""
        try:
            await self._with_store(lambda store: store.database.check())
        except StoreError as error:
            return str(error)
        return None

    async def look(self) -> Seen:
        """Return what is counted; where the store is down, what was counted when it was last seen."""
        files = sum(len(waiting(folder)) for folder in self.settings.folders)
        try:
            self._seen = await self._with_store(
                lambda store: Seen(store.totals(), store.kinds(), store.unmatched(), store_up=True)
            )
        except StoreError as error:
            self._tell(str(error))
            self._seen = replace(self._seen, store_up=False)
        return replace(self._seen, waiting=files)

    async def _with_store(self, work: Callable[[Store], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[Store], T]) -> T:
        if self._store is None:
            self._store = Store(Database(self.settings.store), self.settings.name)
        return work(self._store)

    def _turn(self, store: Store) -> bool:
        """Take files in for a while; return whether none is left."""
        done = self._collector.collect(store, until=time.monotonic() + TURN_SECONDS)
        if time.monotonic() - self._pruned >= PRUNE_SECONDS:
            self._pruned = time.monotonic()
            gone = store.prune(seconds=self.settings.keep_seconds, rows=self.settings.keep_rows)
            if gone:
                log.info("forgot %d predictions and labels that are old", gone)
        return done

    def _tell(self, fault: Optional[str]) -> None:
        """Log a fault of the store when it comes and when it goes, and not each time that it is met."""
        if fault is not None and self._fault is None:
            log.error("%s; files of predictions wait", fault)
        elif fault is None and self._fault is not None:
            log.info("the store can be used again")
        self._fault = fault

    def _close(self) -> None:
        if self._store is not None:
            self._store.database.close()


def _take_rows(store: Store, rows: Sequence[Row]) -> Taken:
    refused = [row for row in rows if isinstance(row, Refusal)]
    taken = store.take_labels([row for row in rows if isinstance(row, Label)])
    if refused:
        store.count(q.RECEIVED, len(refused), first="refused")
    return replace(taken, refused=(*refused, *taken.refused))


class Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """The request is refused with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def application(settings: Settings) -> Starlette:
    """Return the service as an ASGI application."""
    service = Service(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        turns = asyncio.create_task(service.run())
        yield
        service.stop()
        await turns

    async def labels(request: Request) -> Response:
        return await _take(request, service)

    async def metrics(_: Request) -> Response:
        seen = await service.look()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Exposition(lambda: seen))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def health(_: Request) -> Response:
        fault = await service.fault()
        if fault is not None:
            return JSONResponse({"status": "broken", "fault": fault}, status_code=503)
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/labels", labels, methods=["POST"]),
            Route("/metrics", metrics),
            Route("/healthz", health),
        ],
        exception_handlers={Refused: _refuse, StoreError: _unavailable},
        lifespan=lifespan,
    )


async def _take(request: Request, service: Service) -> Response:
    try:
        authorized = is_authorized(request.headers.get("authorization", ""), service.settings.token_file)
    except LabelsError as error:
        log.error("%s", error)
        raise Refused(503, "the service's token file cannot be read") from error
    if not authorized:
        raise Refused(401, "give the service's token: 'Authorization: Bearer TOKEN'")
    kind = KINDS.get(request.headers.get("content-type", JSON).partition(";")[0].strip().lower())
    if kind is None:
        raise Refused(415, f"send labels as one of {', '.join(KINDS)}")
    asked = request.query_params
    columns = Columns(**{name: asked[name] for name in ("id", "label", "model_name") if name in asked})
    body = await _body(request)
    try:
        rows = await asyncio.get_running_loop().run_in_executor(None, read_rows, body, kind, columns)
    except LabelsError as error:
        raise Refused(400, str(error)) from error
    counts = {"new": 0, "same": 0, "corrected": 0}
    refusals: list[Refusal] = []
    while True:
        part = await asyncio.get_running_loop().run_in_executor(None, lambda: list(islice(rows, ROWS)))
        if not part:
            break
        taken = await service.take(part)
        refusals += taken.refused
        counts = {name: count + getattr(taken, name) for name, count in counts.items()}
    answer = {
        **counts,
        "refused": len(refusals),
        "refusals": [asdict(refusal) for refusal in refusals[:MOST_REFUSALS]],
    }
    return JSONResponse(answer, status_code=422 if refusals and not any(counts.values()) else 200)


async def _refuse(_: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)  # noqa: S101  for the type; registered for it alone
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
    return JSONResponse({"error": str(refused)}, status_code=refused.status, headers=headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return JSONResponse(
        {"error": f"{error}; send the labels again: those that are kept already change nothing"},
        status_code=503,
    )


async def _body(request: Request) -> bytes:
    """Return the body. Raises Refused when it is too large, or ends early."""
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
        raise Refused(
            413,
            f"the body is larger than {LARGEST_BODY_BYTES:,} bytes; 'torchvitals labels load' sends it in parts",
        )
    return bytes(body)
