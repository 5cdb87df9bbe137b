"""Stands in for vLLM, which needs a GPU: what TorchServe's vllm_handler uses of it, without a model.

A completion of a prompt is its words in reverse, over and over.
"""

import asyncio
from dataclasses import dataclass, field


@dataclass
class AsyncEngineArgs:
    model: str
    served_model_name: list = field(default_factory=list)


class AsyncLLMEngine:
    @classmethod
    def from_engine_args(cls, arguments):
        return cls()

    async def get_model_config(self):
        return {}

    async def generate(self, prompt, length):
        words = prompt.split()[::-1]
        for place in range(length):
            await asyncio.sleep(0)
            yield words[place % len(words)]
