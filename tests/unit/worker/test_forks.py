"""Forked processes: a loop of their own, none of their parent's calls, and an end without hanging."""

import subprocess
import sys
import textwrap
import time
import urllib.request

import pytest

from stack.ports import Ports

SECONDS = 120

COMMON = """
import os, sys, threading
import torch
torch.set_num_threads(1)
from torchvitals import MonitoredModel, MonitoringConfig
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m

ROWS = torch.zeros(2, 4)
config = MonitoringConfig(flush_interval=0.1, warmup=0)

def counted(model):
    model.close()
    return int(model.monitor._publisher.value(m.REQUESTS, "ok"))

def end_of(child):
    status = os.waitpid(child, 0)[1]
    assert os.WIFEXITED(status), status
    return os.WEXITSTATUS(status)
"""

SCRIPTS = {
    "a server that forks its workers": """
        model = MonitoredModel(torch.nn.Linear(4, 3), config=config, publisher=MemoryPublisher())
        model.predict(ROWS)
        children = []
        for worker in range(2):
            child = os.fork()
            if not child:
                for _ in range(5 + worker):
                    model.predict(ROWS)
                os._exit(counted(model))
            children.append(child)
        assert [end_of(child) for child in children] == [10, 12]
        assert counted(model) == 2
    """,
    "a handler that forks": """
        class Forks(torch.nn.Linear):
            def forward(self, rows):
                if forking and not (child := os.fork()):
                    sys.exit(7)  # with all that atexit has to do
                if forking:
                    assert end_of(child) == 7
                return super().forward(rows)

        forking = False
        publisher = MemoryPublisher()
        model = MonitoredModel(Forks(4, 3), config=config, publisher=publisher)
        model.predict(ROWS)
        forking = True
        model.predict(ROWS)
        assert counted(model) == 4
    """,
    "a handler whose child goes on": """
        class Forks(torch.nn.Linear):
            child = None

            def forward(self, rows):
                if self.child is None:
                    self.child = os.fork()
                return super().forward(rows)

        layer = Forks(4, 3)
        model = MonitoredModel(layer, config=config, publisher=MemoryPublisher())
        model.predict(ROWS)  # ends in both processes, and is the parent's
        model.predict(ROWS)
        if layer.child == 0:
            os._exit(counted(model))
        assert end_of(layer.child) == 2
        assert counted(model) == 4
    """,
    "a fork during a flush": """
        flushing, release = threading.Event(), threading.Event()

        class Slow(MemoryPublisher):
            def flush(self):
                if os.getpid() == parent:
                    flushing.set()
                    release.wait()

        parent = os.getpid()
        release.set()
        model = MonitoredModel(torch.nn.Linear(4, 3), config=config, publisher=Slow())
        model.predict(ROWS)
        release.clear()
        flushing.clear()
        assert flushing.wait(60)
        child = os.fork()
        if not child:
            model.predict(ROWS)
            os._exit(counted(model))
        assert end_of(child) == 2
        release.set()
        assert counted(model) == 2
    """,
    "a pool of processes": """
        import multiprocessing

        def work(number):
            model.predict(ROWS)
            model.monitor.flush()
            return os.getpid(), int(model.monitor._publisher.value(m.REQUESTS, "ok"))

        model = MonitoredModel(torch.nn.Linear(4, 3), config=config, publisher=MemoryPublisher())
        model.predict(ROWS)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map(work, range(6), chunksize=1)
            pool.close()
            pool.join()
        by_process = {}
        for process, amount in found:
            by_process.setdefault(process, []).append(amount)
        for amounts in by_process.values():
            assert sorted(amounts) == [2 * (n + 1) for n in range(len(amounts))], by_process
        assert counted(model) == 2
    """,
    "a fork that never serves": """
        model = MonitoredModel(torch.nn.Linear(4, 3), config=config, publisher=MemoryPublisher())
        model.predict(ROWS)
        child = os.fork()
        if not child:
            threads = threading.active_count()
            model.close()
            os._exit(10 * threads + len(model.monitor._publisher.series))
        assert end_of(child) == 10, "a thread, or series of the parent"
        assert counted(model) == 2
    """,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_fork(script):
    code = COMMON + textwrap.dedent(SCRIPTS[script])
    words = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


APP = """
import os
import torch
torch.set_num_threads(1)
from prometheus_client import CollectorRegistry, generate_latest
from torchvitals import MonitoredModel, MonitoringConfig
from torchvitals.publishers.prometheus import PrometheusPublisher

registry = CollectorRegistry()
publisher = PrometheusPublisher(model_name="net", model_version="1.0", registry=registry)
model = MonitoredModel(
    torch.nn.Linear(4, 3), config=MonitoringConfig(flush_interval=0.1, warmup=0), publisher=publisher
)
model.predict(torch.zeros(1, 4))  # before the server forks

def app(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        model.monitor.flush()
        body = generate_latest(registry)
    else:
        body = str(model.predict(torch.zeros(1, 4)).tolist()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def read(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as response:
        return response.read().decode()


def test_gunicorn_that_loads_the_model_before_it_forks(tmp_path):
    (tmp_path / "served.py").write_text(APP)
    port = Ports.free().inference
    words = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "1", "--bind", f"127.0.0.1:{port}"]
    server = subprocess.Popen([*words, "served:app"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                read(port, "/predict")
                break
            except OSError:
                assert server.poll() is None, server.stderr.read()
                assert time.monotonic() < deadline, "gunicorn does not answer"
                time.sleep(0.1)
        for _ in range(4):
            read(port, "/predict")
        lines = read(port, "/metrics").splitlines()
        requests = [line for line in lines if line.startswith("model_requests_total") and '"ok"' in line]
        assert [line.split()[-1] for line in requests] == ["5.0"]  # and not the one before the fork
    finally:
        server.terminate()
        server.communicate(timeout=SECONDS)
    assert server.returncode == 0
