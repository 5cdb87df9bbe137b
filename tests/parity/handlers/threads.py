"""A handler whose own thread runs the stages that it took hold of before any load."""

from concurrent.futures import ThreadPoolExecutor

from numbers_handler import Numbers


class Handler(Numbers):
    def __init__(self):
        super().__init__()
        self.thread = ThreadPoolExecutor(1)
        self.stages = (self.preprocess, self.inference, self.postprocess)

    def handle(self, data, context):
        for stage in self.stages:
            data = self.thread.submit(stage, data).result()
        return data
