"""TorchServe's gRPC inference API, in as much as its `inference.proto` has to be known for a prediction."""

from __future__ import annotations

import functools
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .style import Reply

PACKAGE = "org.pytorch.serve.grpc.inference"
SERVICE = f"/{PACKAGE}.InferenceAPIsService"
MAX_BYTES = 20_000_000


def predict(address: str, model: str, body: bytes, *, streamed: bool, seconds: float) -> list[Reply]:
    """Send one request, with its body under `data`; return the replies, or the one error."""
    request_type, response_type = _messages()
    request = request_type(model_name=model)
    request.input["data"] = body
    options = [("grpc.max_receive_message_length", MAX_BYTES), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options=options) as channel:
        make = channel.unary_stream if streamed else channel.unary_unary
        method = make(
            f"{SERVICE}/{'StreamPredictions' if streamed else 'Predictions'}",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        try:
            answers = (
                list(method(request, timeout=seconds)) if streamed else [method(request, timeout=seconds)]
            )
        except grpc.RpcError as error:
            return [Reply(error.code().name, (error.details() or "").encode())]
    return [Reply("OK", answer.prediction) for answer in answers]


@functools.cache
def _messages() -> tuple[Any, Any]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package=PACKAGE, syntax="proto3")
    request = file.message_type.add(name="PredictionsRequest")
    once = {"type": field.TYPE_STRING, "label": field.LABEL_OPTIONAL}
    request.field.add(name="model_name", number=1, **once)
    request.field.add(name="model_version", number=2, **once)
    entry = request.nested_type.add(name="InputEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, **once)
    entry.field.add(name="value", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    request.field.add(
        name="input",
        number=3,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=f".{PACKAGE}.PredictionsRequest.InputEntry",
    )
    response = file.message_type.add(name="PredictionResponse")
    response.field.add(name="prediction", number=1, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = ("PredictionsRequest", "PredictionResponse")
    found = (pool.FindMessageTypeByName(f"{PACKAGE}.{name}") for name in names)
    return tuple(message_factory.GetMessageClass(descriptor) for descriptor in found)  # type: ignore[return-value]
