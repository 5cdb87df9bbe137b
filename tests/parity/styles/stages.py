"""How a handler is written: its `handle`, its stages, its attributes. Each serves numbers_model.py."""

from __future__ import annotations

from ..sending import ROWS, each, together
from ..style import Seen, Style, own

STYLES = (
    Style("base-handle", own("class Handler(Numbers):\n    pass\n"), each(*ROWS)),
    Style(
        "stages-through-super",
        own("""
class Handler(Numbers):
    def preprocess(self, data):
        return super().preprocess(data) + 1

    def inference(self, data, *args, **kwargs):
        return super().inference(data, *args, **kwargs) * 2

    def postprocess(self, data):
        return [{"scores": row} for row in super().postprocess(data)]
"""),
        each(*ROWS),
    ),
    Style(
        "handle-through-super",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return [{"answer": row} for row in super().handle(data, context)]
"""),
        each(*ROWS),
    ),
    Style(
        "stages-by-keyword",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        rows = self.preprocess(data=data)
        return self.postprocess(data=self.inference(data=rows))
"""),
        each(*ROWS),
    ),
    Style(
        "stages-in-a-loop",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return [self.postprocess(self.inference(self.preprocess([request])))[0] for request in data]
"""),
        together(*ROWS[:8]),
        config={"batchSize": 8, "maxBatchDelay": 60_000},
        sees=Seen(calls=1),
    ),
    Style(
        "stages-under-other-names",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return self.answers(self.predict(self.prepare(data)))

    def prepare(self, data):
        return super().preprocess(data)

    def predict(self, rows):
        with torch.inference_mode():
            return self.model(rows)

    def answers(self, scores):
        return scores.tolist()
"""),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "handle-calls-the-model",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return self.model(torch.tensor([self.row(request) for request in data]).float()).tolist()
"""),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "handle-calls-the-model-in-a-loop",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        rows = [torch.tensor([self.row(request)]).float() for request in data]
        return [self.model(row)[0].tolist() for row in rows]
"""),
        together(*ROWS[:8]),
        config={"batchSize": 8, "maxBatchDelay": 60_000},
        sees=Seen(calls=1, stages=("inference",)),
    ),
    Style(
        "handle-without-a-model",
        own("""
class Handler(Numbers):
    def handle(self, data, context):
        return [sum(self.row(request)) for request in data]
"""),
        each(*ROWS),
        sees=Seen(
            stages=(), inputs=0, outputs=0, unseen=dict.fromkeys(("stage", "inputs", "outputs"), len(ROWS))
        ),
    ),
    Style(
        "inference-with-two-models",
        own("""
class Handler(Numbers):
    def inference(self, data, *args, **kwargs):
        with torch.inference_mode():
            return self.model(self.model(data) @ torch.ones(3, 4))
"""),
        each(*ROWS),
    ),
    Style(
        "handle-wrapped-in-init",
        own("""
class Handler(Numbers):
    def __init__(self):
        super().__init__()
        answers = self.handle
        self.handle = lambda data, context: [{"row": row} for row in answers(data, context)]
"""),
        each(*ROWS),
    ),
    Style(
        "micro-batching",
        own("micro_batching.py"),
        together(*ROWS[:8]),
        config={"batchSize": 8, "maxBatchDelay": 60_000, "micro_batching": {"micro_batch_size": 2}},
        sees=Seen(calls=1),
    ),
    Style(
        "micro-batching-in-parallel",
        own("micro_batching.py"),
        together(*ROWS[:8]),
        config={
            "batchSize": 8,
            "maxBatchDelay": 60_000,
            "micro_batching": {
                "micro_batch_size": 2,
                "parallelism": {"preprocess": 2, "inference": 2, "postprocess": 2},
            },
        },
        sees=Seen(calls=1),
    ),
    Style(
        "handle-replaced-in-initialize",
        own("""
class Handler(Numbers):
    def initialize(self, context):
        super().initialize(context)
        self.handle = self.other_handle

    def other_handle(self, data, context):
        return ["never"] * len(data)
"""),
        each(*ROWS),
    ),
    Style(
        "initialize-replaced-in-init",
        own("""
class Handler(Numbers):
    def __init__(self):
        super().__init__()
        self.initialize = self.load

    def load(self, context):
        super().initialize(context)
        self.factor = 3

    def postprocess(self, data):
        return (data * self.factor).tolist()
"""),
        each(*ROWS),
    ),
    Style(
        "stage-replaced-while-serving",
        own("""
class Handler(Numbers):
    def postprocess(self, data):
        if not hasattr(self, "replaced"):
            self.inference, self.replaced = self.other_inference, True
        return super().postprocess(data)

    def other_inference(self, rows):
        return self.model(rows) + 1
"""),
        each(*ROWS),
        # The first call without its stage is when it is missed; the model is watched from then on.
        sees=Seen(
            stages={"preprocess": 12, "inference": 11, "postprocess": 12},
            inputs=11,
            outputs=11,
            unseen=dict.fromkeys(("stage", "inputs", "outputs"), 1),
        ),
    ),
    Style(
        "threads-hold-the-stages",
        own("threads.py"),
        each(*ROWS),
    ),
    Style(
        "no-init-of-the-base",
        own("""
class Handler(Numbers):
    def __init__(self):
        self.factor = 2

    def postprocess(self, data):
        return (data * self.factor).tolist()
"""),
        each(*ROWS),
    ),
    *(
        Style(
            f"device-{name}",
            own(f"""
class Handler(Numbers):
    def initialize(self, context):
        super().initialize(context)
        self.device = {value}

    def inference(self, data, *args, **kwargs):
        with torch.inference_mode():
            return self.model(data)
"""),
            each(*ROWS[:3]),
        )
        for name, value in {"text": "'cpu'", "number": "0", "none": "None", "cuda-text": "'cuda:0'"}.items()
    ),
    Style(
        "attributes-of-its-own",
        own("""
class Handler(Numbers):
    def initialize(self, context):
        self.monitor, self.delegate, self.recorder, self.clock, self.entry = 1, 2, 3, 4, 5
        super().initialize(context)

    def postprocess(self, data):
        return (data + self.monitor + self.delegate + self.recorder + self.clock + self.entry).tolist()
"""),
        each(*ROWS),
    ),
    Style("process-pool", own("process_pool.py"), each(*ROWS[:4])),
    Style(
        "pickles-itself",
        own("""
import pickle


class Handler(Numbers):
    def handle(self, data, context):
        return self.postprocess(self.inference(self.preprocess(data)))

    def postprocess(self, data):
        copy = pickle.loads(pickle.dumps(self))
        stage = pickle.loads(pickle.dumps(self.row))
        return [[type(copy).__name__, stage({"body": row.tolist()})] for row in data]
"""),
        each(*ROWS[:4]),
    ),
    Style(
        "model-property-that-raises",
        own("""
class Handler(Numbers):
    def initialize(self, context):
        self.initialized = True

    @property
    def model(self):
        raise RuntimeError("no model is loaded")

    @model.setter
    def model(self, model):
        pass

    def inference(self, data, *args, **kwargs):
        return data[:, :3]
"""),
        each(*ROWS),
    ),
    Style(
        "model-loaded-at-the-first-call",
        own("""
class Handler(Numbers):
    def initialize(self, context):
        self.initialized = True
        self.model = None

    def inference(self, data, *args, **kwargs):
        if self.model is None:
            import numbers_model

            self.model = numbers_model.Numbers()
        return self.model(data)
"""),
        each(*ROWS),
    ),
    Style(
        "own-metrics",
        own("own_metrics.py"),
        each(*ROWS),
        own_metrics=("parity_calls_total", "parity_depth", "parity_words_total"),
    ),
    Style("refused-metrics", own("refused_metrics.py"), each(*ROWS[:2])),
    Style(
        "metrics-of-a-forked-child",
        own("forked_metrics.py"),
        each(*ROWS[:3]),
        own_metrics=("parity_forked_total",),
    ),
    Style(
        "profiled-stages",
        own("class Handler(Numbers):\n    pass\n"),
        each(*ROWS[:6]),
        config={"handler": {"profile": True}},
    ),
)
