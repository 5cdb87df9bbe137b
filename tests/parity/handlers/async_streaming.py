"""An asynchronous handler that answers in pieces."""

import asyncio

from numbers_handler import Numbers
from ts.handler_utils.utils import send_intermediate_predict_response


class Handler(Numbers):
    async def handle(self, data, context):
        rows = self.preprocess(data)
        scores = self.inference(rows)
        for piece in ("one ", "two "):
            await asyncio.sleep(0)
            send_intermediate_predict_response([piece], context.request_ids, "Intermediate", 200, context)
        return [f"three {row}" for row in self.postprocess(scores)]
