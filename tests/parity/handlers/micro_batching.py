"""As TorchServe's example of micro-batching (examples/micro_batching/micro_batching_handler.py)."""

from numbers_handler import Numbers
from ts.handler_utils.micro_batching import MicroBatching


class Handler(Numbers):
    def __init__(self):
        self.handle = MicroBatching(self)

    def initialize(self, ctx):
        super().initialize(ctx)
        settings = ctx.model_yaml_config["micro_batching"]
        if "parallelism" in settings:
            self.handle.parallelism = settings["parallelism"]
        self.handle.micro_batch_size = settings["micro_batch_size"]
