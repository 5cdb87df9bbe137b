"""What the model is: eager, scripted, compiled, exported, ONNX; and what it gives."""

from __future__ import annotations

from ..baselines import inputs_only
from ..sending import ROWS, each
from ..style import Seen, Style, own
from .makers import exported, onnx, scripted

PLAIN_HANDLER = own("class Handler(Numbers):\n    pass\n")
CALLS_THE_MODEL = own("""
class Handler(Numbers):
    def handle(self, data, context):
        with torch.inference_mode():
            return self.model(torch.tensor([self.row(request) for request in data]).float()).tolist()
""")
EXPORTED = """
import os


class Handler(Numbers):
    def initialize(self, context):
        path = os.path.join(context.system_properties["model_dir"], "model.pt2")
        self.device = torch.device("cpu")
        self.model = torch.export.load(path).module()
        self.initialized = True
"""
ONNX = """
class Handler(Numbers):
    def inference(self, data, *args, **kwargs):
        (scores,) = self.model.run(None, {"rows": data.numpy()})
        return scores
"""


def giving(name: str, lines: str, sees: Seen) -> Style:
    """Return a style whose inference gives something else than class scores."""
    source = f"""
class Handler(Numbers):
    def inference(self, data, *args, **kwargs):
{lines}

    def postprocess(self, data):
        return [repr(data)[:60]]
"""
    return Style(name, own(source), each(*ROWS[:4]), sees=sees, baseline=inputs_only)


# Nothing that the baseline describes.
NO_OUTPUTS = Seen(outputs=0)
# Scores that can be told, though no baseline describes them.
LOGITS = Seen(outputs=0, predictions=4)

STYLES = (
    Style("torchscript", PLAIN_HANDLER, each(*ROWS), model=scripted),
    Style(
        "torchscript-called-by-handle",
        CALLS_THE_MODEL,
        each(*ROWS),
        model=scripted,
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "torch-compile",
        PLAIN_HANDLER,
        each(*ROWS),
        config={"pt2": {"compile": {"enable": True, "backend": "eager"}}},
    ),
    Style(
        "torch-compile-called-by-handle",
        CALLS_THE_MODEL,
        each(*ROWS),
        config={"pt2": {"compile": {"enable": True, "backend": "eager"}}},
        sees=Seen(stages=("inference",)),
    ),
    Style("torch-export", own(EXPORTED), each(*ROWS), model=exported),
    Style("onnx", own(ONNX), each(*ROWS), model=onnx),
    Style(
        "onnx-called-by-handle",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        rows = torch.tensor([self.row(request) for request in data]).float()
        return self.model.run(None, {"rows": rows.numpy()})[0].tolist()
"""),
        each(*ROWS),
        model=onnx,
        sees=Seen(stages=("inference",)),
    ),
    giving(
        "gives-loss-and-logits",
        '        return {"loss": torch.tensor(0.5), "logits": self.model(data)}',
        LOGITS,
    ),
    giving("gives-a-tuple", "        return self.model(data), torch.ones(1, 7)", LOGITS),
    giving("gives-vocabulary-logits", "        return torch.ones(1, 5, 50) * data.sum()", NO_OUTPUTS),
    giving(
        "gives-generated-ids",
        "        return torch.arange(int(data.abs().sum()) + 1).unsqueeze(0)",
        NO_OUTPUTS,
    ),
    giving(
        "gives-detections",
        '        return [{"boxes": torch.zeros(2, 4), "labels": torch.tensor([1, 2]), "scores": torch.ones(2)}]',
        NO_OUTPUTS,
    ),
    giving("gives-masks", "        return torch.zeros(1, 1, 32, 32, dtype=torch.bool)", NO_OUTPUTS),
    giving(
        "gives-embeddings", "        return torch.nn.functional.normalize(torch.ones(1, 384))", NO_OUTPUTS
    ),
    giving("gives-text", '        return ["a text"]', NO_OUTPUTS),
    giving("gives-nothing", "        return None", NO_OUTPUTS),
)
