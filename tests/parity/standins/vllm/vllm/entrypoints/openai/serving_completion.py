"""The service of completions."""

import json

from .protocol import CompletionResponse, ErrorResponse


class OpenAIServingCompletion:
    def __init__(self, engine, model_config, served_model_names, **options):
        self.engine = engine
        self.names = served_model_names

    async def create_completion(self, request, raw_request):
        if request.model not in self.names:
            return ErrorResponse(message=f"no model '{request.model}'")
        words = self.engine.generate(request.prompt, request.max_tokens)
        if request.stream:
            return self.streamed(words)
        return CompletionResponse(model=request.model, text=" ".join([word async for word in words]))

    async def streamed(self, words):
        async for word in words:
            yield f"data: {json.dumps({'text': word})}\n\n"
        yield "data: [DONE]\n\n"
