"""A handler with metrics of its own."""

from numbers_handler import Numbers


class Handler(Numbers):
    def postprocess(self, data):
        metrics = self.context.metrics
        metrics.add_counter("parity_calls_total", len(data))
        metrics.add_size("parity_depth", float(data.abs().sum()) + 1)
        metrics.add_counter("parity_words_total", 2)
        return data.tolist()
