"""As TorchServe's example of sequence batching (examples/stateful/sequence_batching/stateful_handler.py)."""

from torchvitals import MonitoredHandler


class Handler(MonitoredHandler):
    def __init__(self):
        super().__init__()
        self.sums = {}

    def initialize(self, context):
        self.context = context
        self.initialized = True

    def preprocess(self, data):
        results = []
        for place, request in enumerate(data):
            sequence = self.context.get_sequence_id(place)
            number = int((request.get("data") or request.get("body")).decode())
            self.sums[sequence] = self.sums.get(sequence, 0) + number
            results.append(self.sums[sequence])
        return results

    def inference(self, data, *args, **kwargs):
        return data

    def postprocess(self, data):
        return data
