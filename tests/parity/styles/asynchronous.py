"""Asynchronous workers, TorchServe's own handlers for them among these."""

from __future__ import annotations

from ..sending import ROWS, each, several, together
from ..style import Seen, Style, existing, own

ASYNC = {"asyncCommunication": True}
STAGES_ASYNC = """
import asyncio


class Handler(Numbers):
    async def handle(self, data, context):
        rows = await self.preprocess(data)
        return await self.postprocess(await self.inference(rows))

    async def preprocess(self, data):
        await asyncio.sleep(0)
        return super().preprocess(data)

    async def inference(self, rows):
        await asyncio.sleep(0)
        if (rows == 9).all():
            raise ValueError("a nine")
        return self.model(rows)

    async def postprocess(self, scores):
        await asyncio.sleep(0)
        return scores.tolist()
"""
VLLM = {
    "asyncCommunication": True,
    "handler": {"vllm_engine_config": {"model": "standin", "served_model_name": ["standin"]}},
}
COMPLETIONS = "/predictions/{name}/1.0/v1/completions"
PROMPTS = [{"model": "standin", "prompt": prompt, "max_tokens": 4} for prompt in ("one two", "three", "four")]
# What vllm and trt_llm show of themselves is text: there is nothing to compare.
GENERATED = {"inputs": 0, "outputs": 0}

STYLES = (
    Style("async-stages", own(STAGES_ASYNC), each(*ROWS), config=ASYNC),
    Style("async-together", own(STAGES_ASYNC), together(*ROWS), config=ASYNC),
    Style(
        "async-failing",
        own(STAGES_ASYNC),
        each(ROWS[0], [9, 9, 9, 9]),
        config=ASYNC,
        sees=Seen(errors=1, inputs=2, outputs=1, stages={"preprocess": 2, "inference": 2, "postprocess": 1}),
    ),
    Style(
        "async-handle-only",
        own("""
class Handler(Numbers):
    async def handle(self, data, context):
        rows = torch.tensor([self.row(request) for request in data]).float()
        return self.model(rows).tolist()
"""),
        each(*ROWS),
        config=ASYNC,
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "async-streaming",
        own("async_streaming.py"),
        each(*ROWS[:4]),
        config=ASYNC,
    ),
    Style(
        "vllm",
        existing("vllm_handler"),
        several(each(*PROMPTS, path=COMPLETIONS), each({}, path="/predictions/{name}/1.0/v1/models")),
        config=VLLM,
        extra=("standins/vllm",),
        model=None,
        baseline=None,
    ),
    Style(
        "vllm-streaming",
        existing("vllm_handler"),
        each(*({**prompt, "stream": True} for prompt in PROMPTS), path=COMPLETIONS),
        config=VLLM,
        extra=("standins/vllm",),
        model=None,
        baseline=None,
    ),
    Style(
        "vllm-unknown-address",
        existing("vllm_handler"),
        several(each(PROMPTS[0], path=COMPLETIONS), each({}, path="/predictions/{name}/1.0/v1/nothing")),
        config=VLLM,
        extra=("standins/vllm",),
        model=None,
        baseline=None,
        sees=Seen(errors=1, stages={"preprocess": 2, "inference": 2, "postprocess": 1}),
    ),
    Style(
        "trt-llm",
        existing("trt_llm_handler"),
        each(*({"prompt": prompt, "max_new_tokens": 3} for prompt in ("one two", "three"))),
        config={
            "asyncCommunication": True,
            "handler": {"engine_dir": "engine", "tokenizer_dir": "tokenizer"},
        },
        extra=("standins/tensorrt_llm",),
        model=None,
        baseline=None,
    ),
    Style(
        "trt-llm-streaming",
        existing("trt_llm_handler"),
        each(
            *({"prompt": prompt, "streaming": True, "max_new_tokens": 3} for prompt in ("one two", "three"))
        ),
        config={
            "asyncCommunication": True,
            "handler": {"engine_dir": "engine", "tokenizer_dir": "tokenizer"},
        },
        extra=("standins/tensorrt_llm",),
        model=None,
        baseline=None,
    ),
)
