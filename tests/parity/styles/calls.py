"""Ways to call and to run a model: gRPC, explanations, describe, workflows, versions, workers."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from ..sending import ROWS, each
from ..style import Reply, Seen, Style, own

if TYPE_CHECKING:
    from ..serving import Model

PLAIN_HANDLER = own("class Handler(Numbers):\n    pass\n")
EXPLAINS = """
class Handler(Numbers):
    def get_insights(self, tensor_data, _, target=0):
        return [(row * 2).tolist() for row in tensor_data]

    def describe_handle(self):
        return {"inputs": 4, "scores": 3}
"""


def described(model: Model) -> list[Reply]:
    """Ask for a prediction, and twice for what the handler says of itself."""
    replies = [model.post(b"[1, 1, 1, 1]")]
    for _ in range(2):
        (answer,) = model.manage("GET", "/models/{name}", customized="true").json()
        replies.append(Reply(200, json.dumps(answer["customizedMetadata"]).encode()))
    return replies


def scaled(model: Model) -> list[Reply]:
    """Send to one worker, to three, and to one again."""
    replies = each(*ROWS[:4])(model)
    model.scale(3)
    model.flushed(3)
    replies += each(*ROWS)(model)
    model.flushed(3)
    model.scale(1)
    return replies + each(*ROWS[4:8])(model)


def killed(model: Model) -> list[Reply]:
    """Send, kill the worker, and send to the next."""
    replies = each(*ROWS[:5])(model)
    model.flushed()
    model.kill_worker()
    return replies + each(*ROWS[5:])(model)


def to_versions(model: Model) -> list[Reply]:
    """Send to each of two versions, and to the default one."""
    return [
        *each(*ROWS[:3], path="/predictions/{name}/1.0")(model),
        *each(*ROWS[3:8], path="/predictions/{name}/2.0")(model),
        *each(*ROWS[8:10])(model),
    ]


def under_two_names(model: Model) -> None:
    """Register one archive twice."""
    (archive,) = model.archives
    for name in (model.name, f"{model.name}-again"):
        model.serve(archive, name)


def as_a_workflow(model: Model) -> None:
    """Register a workflow of two nodes, both of one archive."""
    (archive,) = model.archives
    specification = f"""
models:
    min-workers: 1
    max-workers: 1
    batch-size: 1
    max-batch-delay: 50
    timeout-ms: 300000
    first:
        url: {archive}
    second:
        url: {archive}
dag:
    first: [second]
"""
    war = f"{model.name}.war"
    # A workflow has to name a handler, for nodes that are functions; these are models.
    workflow = {"workflowName": model.name, "specFile": "workflow.yaml", "handler": "functions.py"}
    with zipfile.ZipFile(model.server.store / war, "w") as packed:
        packed.writestr(
            "WAR-INF/MANIFEST.json",
            json.dumps({"createdOn": "", "workflow": workflow, "archiverVersion": "0.2.15"}),
        )
        packed.writestr("workflow.yaml", specification)
        packed.writestr("functions.py", "")
    model.registered(f"/workflows/{model.name}")
    model.manage("POST", "/workflows", url=war, workflow_name=model.name)
    for node in ("first", "second"):
        model.wait_ready(f"{model.name}__{node}")


STYLES = (
    Style(
        "grpc",
        PLAIN_HANDLER,
        lambda model: [reply for row in ROWS for reply in model.call(json.dumps(row).encode())],
    ),
    Style(
        "grpc-failing",
        PLAIN_HANDLER,
        lambda model: [reply for body in (b"[1, 1, 1, 1]", b"{") for reply in model.call(body)],
        sees=Seen(errors=1, stages={"preprocess": 2, "inference": 1, "postprocess": 1}),
    ),
    Style(
        "explanations",
        own(EXPLAINS),
        each(*ROWS[:5], path="/explanations/{name}"),
        sees=Seen(stages=("preprocess",), inputs=0, outputs=0),
    ),
    Style(
        "predictions-and-explanations",
        own(EXPLAINS),
        lambda model: [*each(*ROWS[:5], path="/explanations/{name}")(model), *each(*ROWS)(model)],
        sees=Seen(stages={"preprocess": 17, "inference": 12, "postprocess": 12}, inputs=12, outputs=12),
    ),
    Style(
        "describe",
        own(EXPLAINS),
        described,
        sees=Seen(stages={"preprocess": 1, "inference": 1, "postprocess": 1}, inputs=1, outputs=1),
    ),
    Style(
        "workflow",
        # TorchServe queues a node's job before it says who waits for the answer: one that comes sooner is lost.
        own("""
import time

class Handler(Numbers):
    def postprocess(self, data):
        time.sleep(0.05)
        return [[*row, 1.0] for row in data.tolist()]
"""),
        each(*ROWS, path="/wfpredict/{name}"),
        setup=as_a_workflow,
        sees={"__first": Seen(), "__second": Seen()},
    ),
    Style(
        "two-versions",
        PLAIN_HANDLER,
        to_versions,
        versions=("1.0", "2.0"),
        sees={"@1.0": Seen(requests=5), "@2.0": Seen(requests=5)},
    ),
    Style(
        "two-registrations",
        PLAIN_HANDLER,
        lambda model: [*each(*ROWS[:5])(model), *each(*ROWS, path="/predictions/{name}-again")(model)],
        setup=under_two_names,
        sees={"": Seen(requests=5), "-again": Seen(requests=12)},
    ),
    Style("two-workers", PLAIN_HANDLER, each(*ROWS), config={"minWorkers": 2}, sees=Seen(workers=2)),
    Style("scaled-up-and-down", PLAIN_HANDLER, scaled),
    Style("killed-worker", PLAIN_HANDLER, killed),
    Style(
        "torchrun-of-one",
        PLAIN_HANDLER,
        each(*ROWS[:5]),
        config={"parallelType": "tp", "torchrun": {"nproc-per-node": 1, "rdzv-endpoint": "localhost:0"}},
    ),
    Style(
        "torchrun-of-two",
        PLAIN_HANDLER,
        each(*ROWS[:5]),
        config={"parallelType": "tp", "torchrun": {"nproc-per-node": 2, "rdzv-endpoint": "localhost:0"}},
        sees=Seen(workers=2),
    ),
)
