#!/usr/bin/env -S python3 -SE
"""What TorchServe starts as its Python: a fork of parent.py for a worker, and this Python itself for anything else."""

import json
import os
import socket
import sys


def main(arguments: list) -> int:
    python = os.environ["PARITY_PYTHON"]
    if not arguments or not arguments[0].endswith("model_service_worker.py"):
        os.execv(python, [python, *arguments])
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["PARITY_PARENT"])
    text = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [text], [0, 1, 2])
    connection.sendall(text[sent:])
    # The worker has them; its end is the end of the streams.
    for stream in (0, 1, 2):
        os.close(stream)
    status = int(connection.recv(64) or b"1")
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
