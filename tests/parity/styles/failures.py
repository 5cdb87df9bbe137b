"""Requests that fail, in every way that TorchServe knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sending import ROWS, each, several
from ..style import Reply, Seen, Style, own

if TYPE_CHECKING:
    from ..serving import Model


def raising(name: str, line: str, *, out_of_memory: int = 0) -> Style:
    """Return a style whose inference fails on one row of three."""
    source = f"""
from ts.utils.util import PredictionException


class Handler(Numbers):
    def inference(self, data, *args, **kwargs):
        if (data == 9).all():
            {line}
        return super().inference(data, *args, **kwargs)
"""
    sees = Seen(
        errors=1,
        inputs=3,
        outputs=2,
        stages={"preprocess": 3, "inference": 3, "postprocess": 2},
        out_of_memory=out_of_memory,
    )
    return Style(name, own(source), each(ROWS[0], [9, 9, 9, 9], ROWS[1]), sees=sees)


def replying(name: str, expression: str, *, errors: int = 1) -> Style:
    """Return a style whose reply to one row of three is an expression."""
    source = f"""
class Handler(Numbers):
    def postprocess(self, data):
        answers = data.tolist()
        return {expression} if (data == ANSWER).all() else answers
""".replace("ANSWER", "torch.tensor([27.0, 0.0, 18.0])")
    return Style(
        name, own(source), each(ROWS[0], [9, 9, 9, 9], ROWS[1]), sees=Seen(errors=errors, inputs=3, outputs=3)
    )


def slow(model: Model) -> list[Reply]:
    """Send a request that takes longer than TorchServe waits, and another to the worker that comes after."""
    first = model.post(b"[1, 1, 1, 1]")
    model.flushed()
    (worker,) = model.workers()
    late = model.post(b"[9, 9, 9, 9]")
    model.wait_for_another(worker["pid"])
    return [first, late, model.post(b"[2, 2, 2, 2]")]


STYLES = (
    raising("raises-prediction-exception", "raise PredictionException('not today', 418)"),
    raising("raises-type-error", "raise TypeError('no such type')"),
    raising("raises-memory-error", "raise MemoryError('host')", out_of_memory=1),
    raising("raises-out-of-memory", "raise torch.OutOfMemoryError('CUDA out of memory')", out_of_memory=1),
    raising("raises-cuda-error", "raise RuntimeError('CUDA error: an illegal memory access')"),
    replying("reply-not-serialisable", "[{1, 2}]"),
    replying("reply-of-wrong-length", "answers * 2"),
    replying("reply-of-wrong-type", "tuple(answers)"),
    replying("reply-of-none", "None"),
    Style(
        "coroutine-on-a-synchronous-worker",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return self.later(data) if "9" in str(data[0]) else super().handle(data, context)

    async def later(self, data):
        return data
"""),
        each(ROWS[0], [9, 9, 9, 9], ROWS[1]),
        sees=Seen(errors=1, inputs=2, outputs=2, untimed=1),
    ),
    Style(
        "reply-kinds",
        own("""
class Handler(Numbers):
    def postprocess(self, data):
        kinds = [b"bytes", bytearray(b"bytes"), "text", torch.ones(3), {"a": [1, None]}, 7, True, float("inf")]
        self.place = (getattr(self, "place", -1) + 1) % len(kinds)
        self.context.set_response_content_type(0, "text/plain")
        self.context.set_response_header(0, "x-parity", str(self.place))
        return [kinds[self.place]]
"""),
        each(*ROWS[:8]),
    ),
    Style(
        "status-by-report",
        own("""
class Handler(Numbers):
    def postprocess(self, data):
        if (data == 0).all():
            self.context.set_all_response_status(404, "no such row")
        return data.tolist()
"""),
        each(ROWS[0], [0, 0, 0, 0]),
        sees=Seen(errors=1, inputs=2, outputs=2),
    ),
    Style(
        "times-out",
        own("""
import time


class Handler(Numbers):
    def inference(self, data, *args, **kwargs):
        if (data == 9).all():
            time.sleep(600)
        return super().inference(data, *args, **kwargs)
"""),
        slow,
        config={"responseTimeout": 2},
        sees=Seen(lost=1),
    ),
    Style(
        "bad-body",
        own("class Handler(Numbers):\n    pass\n"),
        several(each(ROWS[0]), each(b"{", headers={"Content-Type": "text/plain"}), each(ROWS[1])),
        sees=Seen(errors=1, stages={"preprocess": 3, "inference": 2, "postprocess": 2}),
    ),
)
