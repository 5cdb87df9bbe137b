"""Requests and answers of OpenAI's interface, as far as they are used here."""

from pydantic import BaseModel


class CompletionRequest(BaseModel):
    model: str
    prompt: str
    max_tokens: int = 3
    stream: bool = False


class ChatCompletionRequest(BaseModel):
    model: str
    messages: list
    max_tokens: int = 3
    stream: bool = False


class CompletionResponse(BaseModel):
    model: str
    text: str


class ModelList(BaseModel):
    data: list


class ErrorResponse(BaseModel):
    message: str
