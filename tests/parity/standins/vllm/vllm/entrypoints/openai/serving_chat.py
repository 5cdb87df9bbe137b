"""The service of chats."""

from .protocol import CompletionResponse, ModelList


class OpenAIServingChat:
    def __init__(self, engine, model_config, served_model_names, role, **options):
        self.engine = engine
        self.names = served_model_names

    async def show_available_models(self):
        return ModelList(data=list(self.names))

    async def create_chat_completion(self, request, raw_request):
        words = self.engine.generate(request.messages[-1]["content"], request.max_tokens)
        return CompletionResponse(model=request.model, text=" ".join([word async for word in words]))
