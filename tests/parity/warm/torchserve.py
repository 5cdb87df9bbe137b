#!/usr/bin/env python3
"""TorchServe's own command, whose workers are started by worker.py."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.executable = str(Path(__file__).with_name("worker.py"))
    from ts.model_server import start

    start()
