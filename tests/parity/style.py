"""What a row of the table of styles says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchvitals import Baseline

from .baselines import numbers

if TYPE_CHECKING:
    from .serving import Model

FOLDER = Path(__file__).parent
STAGES = ("preprocess", "inference", "postprocess")
# What every handler that is written into the table begins with; numbers_handler.py is packed beside it.
PRELUDE = """
import torch
from numbers_handler import Numbers

"""


@dataclass(frozen=True)
class Reply:
    """What a client got: an HTTP status or a gRPC code, headers that are not the request's own, and the body."""

    status: int | str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the request was answered as asked."""
        return self.status == "OK" or (isinstance(self.status, int) and self.status < 400)


@dataclass(frozen=True)
class Handler:
    """A handler as its author wrote it.

    source: its text. base: what `base_handler` names, for one that is served as it is; without one, it is a subclass
    of MonitoredHandler, and its plain counterpart the same subclass of BaseHandler.
    """

    source: str | None
    base: str | None = None


def own(source: str) -> Handler:
    """Return a subclass of MonitoredHandler: its text, or the name of a file in handlers/."""
    return Handler(_text(source))


def existing(base: str, source: str | None = None) -> Handler:
    """Return a handler that `base_handler` names. source: as in `own`; None for one of TorchServe's."""
    return Handler(_text(source) if source else None, base)


def _text(source: str) -> str:
    if source.endswith(".py"):
        return (FOLDER / "handlers" / source).read_text()
    return PRELUDE + source.lstrip("\n")


@dataclass(frozen=True)
class Seen:
    """What must be counted of one served model once its requests are answered.

    requests: how many were sent to it; all by default. errors: those of them that users saw fail. lost: those that no
    handler answered: they never reached one, or their worker was gone before it could say. stages: those that are timed
    in every call, or how often. inputs, outputs: rows that are compared with the baseline; one for each request that
    was answered by default. predictions: rows that are taken for scores of classes; those of outputs by default.
    unseen, dropped: by reason. out_of_memory: calls. calls: of the handler; one for each request by default. untimed:
    calls that reached no handler. steps: of continuous batching, those that its requests took together; 0 elsewhere.
    workers: that say that they live.
    """

    requests: int | None = None
    errors: int = 0
    lost: int = 0
    stages: tuple[str, ...] | Mapping[str, int] = STAGES
    inputs: int | None = None
    outputs: int | None = None
    predictions: int | None = None
    unseen: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    out_of_memory: int = 0
    calls: int | None = None
    untimed: int = 0
    steps: int = 0
    bins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    workers: int = 1


Send = Callable[["Model"], list[Reply]]


@dataclass(frozen=True)
class Style:
    """One way to write, pack, configure or call a handler.

    send: sends what there is to send, and returns the replies in a fixed order. sees: what must be counted; of a style
    that serves several models, by what follows its name, such as "-again", or "@2.0" for a version. model: a file in
    models/, or what writes a serialized one into a folder. config: of model-config.yaml. monitoring: its section of
    ours. envelope: TorchServe's. extra: files and folders of this one that are packed too, or what writes one into a
    folder. baseline: None for none. setup: how it is registered. own_metrics: names of the user's metrics, whose sums
    must agree. batched: TorchServe makes batches of what comes together as it likes: nobody knows how many calls.
    lacks: why it does not hold yet.
    """

    name: str
    handler: Handler
    send: Send
    sees: Seen | Mapping[str, Seen] = Seen()
    model: str | Callable[[Path], Path] | None = "numbers_model.py"
    config: Mapping[str, Any] = field(default_factory=dict)
    monitoring: Mapping[str, Any] = field(default_factory=dict)
    envelope: str | None = None
    extra: tuple[str | Callable[[Path], Path], ...] = ()
    baseline: Callable[[], Baseline] | None = numbers
    setup: Callable[[Model], None] | None = None
    own_metrics: tuple[str, ...] = ()
    versions: tuple[str, ...] = ("1.0",)
    batched: bool = False
    lacks: str = ""

    @property
    def asynchronous(self) -> bool:
        """Whether its workers are asynchronous ones."""
        return bool(self.config.get("asyncCommunication"))

    @property
    def by_suffix(self) -> Mapping[str, Seen]:
        """What must be counted of each model that it serves."""
        return {"": self.sees} if isinstance(self.sees, Seen) else self.sees
