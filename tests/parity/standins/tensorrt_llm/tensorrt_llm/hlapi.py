"""The high-level interface. A completion counts up from the length of the prompt."""

import asyncio
from types import SimpleNamespace


class KvCacheConfig:
    def __init__(self, **options):
        self.options = options


class SamplingParams:
    def __init__(self, **options):
        self.options = options


class LLM:
    def __init__(self, model, tokenizer, kv_cache_config):
        self.tokenizer = tokenizer

    async def generate_async(self, prompt, streaming, sampling_params):
        ids = []
        for place in range(sampling_params.options["max_new_tokens"]):
            await asyncio.sleep(0)
            ids.append(len(prompt) + place)
            if streaming:
                yield self.output(ids)
        if not streaming:
            yield self.output(ids)

    def output(self, ids):
        return SimpleNamespace(outputs=[SimpleNamespace(text=self.tokenizer.decode(ids), token_ids=ids)])
