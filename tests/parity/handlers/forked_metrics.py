"""A handler whose forked child counts something, as a pool of preprocessing processes may."""

import os

from numbers_handler import Numbers


class Handler(Numbers):
    def postprocess(self, data):
        child = os.fork()
        if child == 0:
            self.context.metrics.add_counter("parity_forked_total", 1)
            os._exit(0)
        os.waitpid(child, 0)
        return data.tolist()
