"""Batches, envelopes, sequences, and answers that come in pieces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..sending import JSON, ROWS, each, several, together
from ..style import Reply, Seen, Style, own

if TYPE_CHECKING:
    from ..serving import Model

EIGHT = {"batchSize": 8, "maxBatchDelay": 60_000}
PLAIN_HANDLER = own("class Handler(Numbers):\n    pass\n")
# Of a row that comes from an envelope, or a raw body.
ROW_ITSELF = """
import json


class Handler(Numbers):
    def row(self, request):
        row = request["row"] if isinstance(request, dict) else request
        return json.loads(row) if isinstance(row, (bytes, bytearray)) else row
"""


def in_order(model: Model) -> list[Reply]:
    """Send the numbers of three sequences, each sequence in its order, and the end of each last."""
    replies = []
    for number in (1, 2, 3):
        for sequence in ("a", "b", "c"):
            headers = {"ts_request_sequence_id": sequence}
            if number == 1:
                headers["ts_request_sequence_start"] = "true"
            if number == 3:
                headers["ts_request_sequence_end"] = "true"
            replies.append(model.post(str(number).encode(), headers=headers))
    return replies


STYLES = (
    Style(
        "batch-of-8",
        PLAIN_HANDLER,
        several(together(*ROWS[:8]), together(*ROWS[4:12])),
        config=EIGHT,
        sees=Seen(calls=2),
    ),
    Style(
        "batch-of-8-ragged",
        own("""
class Handler(Numbers):
    def preprocess(self, data):
        rows = [torch.tensor(self.row(request)).float() for request in data]
        return torch.nn.functional.pad(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), (0, 4))[:, :4]
"""),
        together([1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [4], [4, 3], [4, 3, 2], [4, 3, 2, 1]),
        config=EIGHT,
        sees=Seen(calls=1),
    ),
    Style(
        "failures-inside-a-batch",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        self.context = context
        rows, places, answers = [], [], []
        for place, request in enumerate(data):
            row = self.row(request)
            answers.append("bad row")
            if len(row) == 4:
                rows.append(row)
                places.append(place)
            else:
                context.set_response_status(400, "Bad Request", place)
        scores = self.postprocess(self.inference(torch.tensor(rows).float()))
        for place, score in zip(places, scores):
            answers[place] = score
        return answers
"""),
        together(*ROWS[:5], [1, 2], [3], []),
        config=EIGHT,
        sees=Seen(errors=3, calls=1, stages=("inference", "postprocess")),
    ),
    Style(
        "a-batch-that-fails",
        own("""
class Handler(Numbers):
    def preprocess(self, data):
        rows = super().preprocess(data)
        if (rows == 9).any():
            raise ValueError("a nine")
        return rows
"""),
        several(together(*ROWS[:8]), together(*[[9, 9, 9, 9]] * 8)),
        config=EIGHT,
        sees=Seen(errors=8, calls=2, stages={"preprocess": 2, "inference": 1, "postprocess": 1}),
    ),
    Style(
        "json-envelope",
        own(ROW_ITSELF),
        together(*({"instances": ROWS[start : start + 3]} for start in range(0, 12, 3))),
        config={"batchSize": 4, "maxBatchDelay": 60_000},
        envelope="json",
        sees=Seen(calls=1, inputs=12, outputs=12),
    ),
    Style(
        "json-envelope-failing",
        own(ROW_ITSELF),
        several(each({"instances": ROWS[:5]}), each({"instances": [[1, 2]]})),
        envelope="json",
        # A row of another width is what fails.
        sees=Seen(
            errors=1,
            inputs=5,
            outputs=5,
            stages={"preprocess": 2, "inference": 2, "postprocess": 1},
            unseen={"uncomparable": 1},
        ),
    ),
    Style(
        "json-envelope-refusing",
        own(ROW_ITSELF),
        several(each({"instances": ROWS[:2]}), each({"rows": ROWS[:2]})),
        envelope="json",
        sees=Seen(errors=1, untimed=1, inputs=2, outputs=2),
    ),
    Style("body-envelope", own(ROW_ITSELF), each(*ROWS), envelope="body"),
    Style(
        "kserve-envelope",
        own(ROW_ITSELF),
        each(*({"instances": ROWS[start : start + 4]} for start in range(0, 12, 4))),
        envelope="kserve",
        sees=Seen(inputs=12, outputs=12),
    ),
    Style(
        "kserve-address",
        own(ROW_ITSELF),
        each({"instances": ROWS[:4]}, path="/v1/models/{name}:predict"),
        envelope="kserve",
        sees=Seen(inputs=4, outputs=4),
    ),
    Style(
        "kserve-2-envelope",
        own("""
class Handler(Numbers):
    def row(self, request):
        return request["data"]
"""),
        each(
            *(
                {"id": "7", "inputs": [{"name": "rows", "shape": [4], "datatype": "INT64", "data": row}]}
                for row in ROWS[:4]
            )
        ),
        envelope="kservev2",
    ),
    Style(
        "sequence-batching",
        own("sequences.py"),
        in_order,
        config={
            "batchSize": 4,
            "sequenceBatching": True,
            "maxNumSequence": 4,
            "sequenceMaxIdleMSec": 30_000,
            "maxSequenceJobQueueSize": 10,
        },
        batched=True,
        model=None,
        baseline=None,
    ),
    Style(
        "continuous-batching",
        own("continuous.py"),
        # TorchServe never ends the reply to a request of one step.
        together(*({"prompt": prompt, "steps": steps} for prompt, steps in (("a", 3), ("b", 5), ("c", 2)))),
        config={"batchSize": 3, "maxBatchDelay": 60_000, "continuousBatching": True},
        sees=Seen(calls=5, steps=10),
        model=None,
        baseline=None,
    ),
    Style("streamed-answers", own("streaming.py"), each(*ROWS[:3]), sees=Seen()),
    Style(
        "streamed-answers-over-grpc",
        own("streaming.py"),
        lambda model: [
            reply for row in ROWS[:2] for reply in model.call(json.dumps(row).encode(), streamed=True)
        ],
        sees=Seen(requests=2),
    ),
    Style(
        "form-and-multipart",
        PLAIN_HANDLER,
        lambda model: [
            *(
                model.request("POST", "/predictions/{name}", data={"data": json.dumps(row)})
                for row in ROWS[:2]
            ),
            *(
                model.request(
                    "POST",
                    "/predictions/{name}",
                    content=multipart(json.dumps(row).encode()),
                    headers={"Content-Type": "multipart/form-data; boundary=parity"},
                )
                for row in ROWS[2:4]
            ),
            model.request("PUT", "/predictions/{name}", content=json.dumps(ROWS[5]).encode(), headers=JSON),
            model.request(
                "POST", "/models/{name}/invoke", content=json.dumps(ROWS[6]).encode(), headers=JSON
            ),
            model.request("POST", "/{name}/predict", content=json.dumps(ROWS[7]).encode(), headers=JSON),
        ],
    ),
)


def multipart(content: bytes, name: str = "data", kind: str = "application/octet-stream") -> bytes:
    """Return a form of one file; its boundary is always the same."""
    head = f'--parity\r\nContent-Disposition: form-data; name="{name}"; filename="file"\r\nContent-Type: {kind}\r\n\r\n'
    return head.encode() + content + b"\r\n--parity--\r\n"
