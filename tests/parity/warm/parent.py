"""Forks workers: a process that has imported what they need. Ends when its standard input does.

On its socket, a message a worker: a JSON line with `arguments`, `environment` and `folder`, and its three standard
streams as file descriptors. The answer is the worker's exit status. Whoever closes the connection kills the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import sys
from dataclasses import dataclass

IMPORTED = (
    "torch", "onnxruntime", "numpy", "scipy.stats", "scipy.special", "narwhals", "msgspec", "psutil", "yaml",
    "torchvision", "captum.attr",
    "ts.model_loader", "ts.service", "ts.async_service", "ts.arg_parser", "ts.torch_handler.base_handler",
)  # fmt: skip
LARGEST = 1 << 20
PR_SET_PDEATHSIG = 1


@dataclass
class Worker:
    pid: int
    ended: int
    connection: socket.socket


def main(path: str) -> None:
    """Serve until the standard input ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    for module in IMPORTED:
        importlib.import_module(module)
    listener.listen(64)
    print("ready", flush=True)
    workers: dict[int, Worker] = {}
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                for worker in workers.values():
                    end(worker)
                return
            if key.fileobj is listener:
                worker = start(listener)
                workers[worker.pid] = worker
                selector.register(worker.connection, selectors.EVENT_READ, worker)
                selector.register(worker.ended, selectors.EVENT_READ, worker)
            # Both may come at once: that it ended, and that nobody wants it any more.
            elif workers.pop(key.data.pid, None):
                selector.unregister(key.data.connection)
                selector.unregister(key.data.ended)
                end(key.data)


def start(listener: socket.socket) -> Worker:
    """Fork the next worker that is asked for."""
    connection, _ = listener.accept()
    text, streams, _, _ = socket.recv_fds(connection, LARGEST, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(LARGEST)
    request = json.loads(text)
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        listener.close()
        connection.close()
        run(request, streams)
    for stream in streams:
        os.close(stream)
    return Worker(pid, os.pidfd_open(pid), connection)


def run(request: dict, streams: list[int]) -> None:
    """Become the worker."""
    status = 1
    try:
        for place, stream in enumerate(streams):
            os.dup2(stream, place)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        script, *_ = sys.argv = request["arguments"]
        # The worker sets its logging up.
        logging.root.handlers.clear()
        added = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [os.path.dirname(script), *added, *sys.path[1:]]
        runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def end(worker: Worker) -> None:
    """Kill a worker, if it has not ended, and tell whoever asked for it how it did."""
    os.kill(worker.pid, signal.SIGKILL)
    _, status = os.waitpid(worker.pid, 0)
    os.close(worker.ended)
    with contextlib.suppress(OSError):
        worker.connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    worker.connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
