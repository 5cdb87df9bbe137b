"""A handler that writes down how long each of its calls took, by a clock of its own. Packed by tests/conftest.py."""

import random
import time

from torchvitals import MonitoredHandler


class TimedHandler(MonitoredHandler):
    """Takes 0.2 to 20 ms a call and appends the seconds to the file DURATIONS."""

    def handle(self, data, context):
        started = time.perf_counter()
        time.sleep(10 ** random.uniform(-3.7, -1.7))
        answer = ["{}"] * len(data)
        with open("DURATIONS", "a") as file:
            file.write(f"{time.perf_counter() - started}\n")
        return answer
