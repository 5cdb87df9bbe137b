"""Answers that come in pieces, before `handle` returns the last (send_intermediate_predict_response)."""

from numbers_handler import Numbers
from ts.handler_utils.utils import send_intermediate_predict_response


class Handler(Numbers):
    def postprocess(self, data):
        for piece in ("one ", "two "):
            send_intermediate_predict_response(
                [piece] * len(data), self.context.request_ids, "Intermediate", 200, self.context
            )
        return [f"three {row}" for row in data.tolist()]
