"""Continuous batching: `handle` is called once a step, with requests that are not done (stopping_criteria)."""

import json

from torchvitals import MonitoredHandler


class Handler(MonitoredHandler):
    def initialize(self, context):
        self.context = context
        self.left = {}
        self.initialized = True

    def preprocess(self, data):
        criteria = {}
        prompts = []
        for place, request in enumerate(data):
            identity = self.context.get_request_id(place)
            if identity not in self.left:
                body = request.get("data") or request.get("body")
                body = json.loads(body) if isinstance(body, (bytes, bytearray)) else body
                self.left[identity] = [body["steps"], body["prompt"]]
            prompts.append(identity)
            criteria[place] = self.done(identity)
        self.context.stopping_criteria = [criteria[place] for place in range(len(data))]
        return prompts

    def done(self, identity):
        def criterion(_):
            if self.left[identity][0] > 0:
                return False
            del self.left[identity]
            return True

        return criterion

    def inference(self, data, *args, **kwargs):
        for identity in data:
            self.left[identity][0] -= 1
        return [f"{self.left[identity][1]}{self.left[identity][0]} " for identity in data]

    def postprocess(self, data):
        return data
