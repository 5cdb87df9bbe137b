"""How the soak counts, fits and judges; its load against a real server of a few lines."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from benchmarks.soak import report
from benchmarks.soak.counts import Line, complete, count_lines, exactly, load_lines
from benchmarks.soak.growth import (
    BLOCKS,
    CANNOT_TELL,
    FAILS,
    HOLDS,
    HOUR,
    LIMIT,
    MEGABYTE,
    Estimate,
    difference,
    growth,
    slope,
    verdict,
)
from benchmarks.soak.load import Answers, Load, answers_of, bad_bodies, loading
from benchmarks.soak.picture import draw
from benchmarks.soak.watch import FRONT_END, Sample, Watched, thinned
from examples.flight_delay.handler import FlightDelayHandler
from torchvitals.telemetry import catalogue as m

TIMES = np.arange(0, 1440, 2.0)  # what is left of 30 minutes after the warm-up
START = 250 * MEGABYTE


def noisy(order, *, megabytes_an_hour=0.0):
    line = START + megabytes_an_hour * MEGABYTE / HOUR * TIMES
    return line + order.normal(0, 0.1 * MEGABYTE, len(TIMES))


def stepped(order, *, steps):
    """Take that many steps at random times, up to a megabyte each, and keep them."""
    grown = np.zeros(len(TIMES))
    grown[order.integers(len(TIMES), size=steps)] = order.uniform(0, MEGABYTE, steps)
    return START + np.cumsum(grown)


def judged(monitored, plain):
    return verdict(
        difference([growth(TIMES, one) for one in monitored], [growth(TIMES, one) for one in plain])
    )


def test_the_slope_is_that_of_the_line_whatever_one_sample_says():
    values = START + 3.0 * TIMES
    values[100] *= 2
    fit = slope(TIMES, values)
    assert (fit.value, fit.low, fit.high) == pytest.approx((3.0, 3.0, 3.0))
    assert Estimate(1e6, 0, 2e6).megabytes_an_hour == (3600, 0, 7200)


def test_growth_is_from_one_blocks_median_to_the_next():
    values = np.full(len(TIMES), START)
    values[len(TIMES) // 2 :] += 6e6
    values[3] += 1e9  # one wild sample moves no median
    grown = growth(TIMES, values)
    assert grown.shape == (BLOCKS - 1,)
    # The step is between two blocks that are 120 s apart.
    assert grown[BLOCKS // 2 - 1] == pytest.approx(6e6 / 120)
    assert np.delete(grown, BLOCKS // 2 - 1) == pytest.approx(0)
    with pytest.raises(ValueError, match="35 samples are too few"):
        growth(TIMES[:35], values[:35])


def test_the_difference_is_between_the_means_of_both_kinds():
    rising, flat = np.full(BLOCKS - 1, 8.0), np.zeros(BLOCKS - 1)
    apart = difference([rising, flat], [flat, flat - 2])
    assert (apart.value, apart.low, apart.high) == pytest.approx((5, 5, 5))


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_is_seen_and_noise_is_not(seed):
    order = np.random.default_rng(seed)
    plain = [noisy(order), noisy(order)]
    assert judged([noisy(order), noisy(order)], plain) == HOLDS
    assert judged([noisy(order, megabytes_an_hour=5), noisy(order, megabytes_an_hour=5)], plain) == FAILS
    assert judged([noisy(order, megabytes_an_hour=20), noisy(order)], plain) == FAILS


def test_growth_of_both_kinds_is_no_leak_of_the_monitor():
    order = np.random.default_rng(1)
    both = [noisy(order, megabytes_an_hour=50) for _ in range(4)]
    assert judged(both[:2], both[2:]) == HOLDS
    # Nor is growing more slowly.
    assert judged([noisy(order), noisy(order)], both[:2]) == HOLDS


def test_one_step_is_chance_and_a_staircase_of_steps_is_a_leak():
    flat = np.full(len(TIMES), START)
    one, staircase = flat.copy(), flat + np.floor(TIMES / 60) * 0.2 * MEGABYTE
    one[300:] += MEGABYTE
    assert judged([one, flat], [flat, flat]) == HOLDS
    assert judged([staircase, flat], [flat, flat]) == FAILS


def test_a_run_that_would_not_see_a_leak_says_so():
    flat = np.full(len(TIMES), START)
    jumped = flat.copy()
    jumped[300:] += 40 * MEGABYTE
    assert judged([jumped, flat], [flat, flat]) == CANNOT_TELL
    assert verdict(Estimate(0, -1, LIMIT)) == HOLDS
    assert verdict(Estimate(0, -1, LIMIT + 1)) == CANNOT_TELL
    assert verdict(Estimate(0, 1e-9, LIMIT + 1)) == FAILS


def test_healthy_staircases_seldom_fail_though_their_slopes_differ():
    """Why the verdict does not rest on the fit's own interval."""
    fails = differ = 0
    for seed in range(20):
        order = np.random.default_rng(seed)
        workers = [stepped(order, steps=3) for _ in range(4)]
        fails += judged(workers[:2], workers[2:]) == FAILS
        one, other = slope(TIMES, workers[0]), slope(TIMES, workers[2])
        differ += one.low > other.high or other.low > one.high
    assert fails <= 2
    assert differ >= 10


# Counting. 1,000 requests, 20 of them bad, two workers with two warm-up calls each.
SEEN = Answers(sent=1000, bad=20, answered=1000, refused=20)
FEATURES = [SimpleNamespace(source="input", name="temp"), SimpleNamespace(source="output", name="confidence")]


def key(name, **labels):
    return name, frozenset({"model_name": "monitored", **labels}.items())


def page(**changes):
    """Return a page that counts SEEN rightly."""
    series = {
        key(m.REQUESTS.name, outcome="ok"): 980,
        key(m.REQUESTS.name, outcome="error"): 20,
        key(m.WARMUP_REQUESTS.name): 4,
        key(m.COMPILATIONS.name): 0,
        key(m.BATCH_SIZE.count.name): 1000,
        key(m.BATCH_SIZE.bucket.name, le="+Inf"): 1000,
        key(m.PREDICTIONS.name, **{"class": "late"}): 180,
        key(m.PREDICTIONS.name, **{"class": "on_time"}): 800,
        key(m.CONFIDENCE.count.name): 980,
        key(m.CONFIDENCE.bucket.name, le="+Inf"): 980,
        key(m.MONITOR_DROPPED.name, reason="queue_full"): 0,
        key(m.MONITOR_DROPPED.name, reason="input_too_large"): 0,
        key(m.MONITOR_ERRORS.name, phase="drift"): 0,
        key(m.SAMPLED_RATIO.name, worker="9000"): 1,
        key(m.SAMPLED_RATIO.name, worker="9001"): 1,
        key("ts_inference_requests_total"): 1000,
        # Another model's counts are not ours.
        (m.REQUESTS.name, frozenset({"model_name": "other", "outcome": "ok"}.items())): 7,
    }
    for stage in m.STAGES:
        series[key(m.STAGE_DURATION.count.name, stage=stage, clock="host")] = 996
        series[key(m.STAGE_DURATION.bucket.name, stage=stage, clock="host", le="+Inf")] = 996
        series[key(m.STAGE_DURATION.bucket.name, stage=stage, clock="host", le="1")] = 990
    for feature in FEATURES:
        for share, bin_ in ((0.9, "0"), (0.1, "missing")):
            labels = {"source": feature.source, "feature": feature.name, "bin": bin_}
            series[key(m.OBSERVATIONS.name, **labels)] = 980 * share
    return series


def lines_of(series, seen=SEEN):
    return count_lines(series, "monitored", seen, features=FEATURES, workers=2, warmup=2) + load_lines(
        {"monitored": seen}, series
    )


def failing(series, seen=SEEN):
    return [line.what for line in lines_of(series, seen) if line.state != HOLDS]


def test_a_page_that_counts_everything_holds():
    assert failing(page()) == []
    assert complete("monitored", SEEN)(page())


@pytest.mark.parametrize("counter", list(page()), ids=lambda counter: f"{counter[0]}-{len(counter[1])}")
def test_a_count_that_is_one_off_fails(counter):
    _, labels = counter
    wrong = page()
    wrong[counter] += 1
    ours = ("model_name", "monitored") in labels and ("le", "1") not in labels
    assert bool(failing(wrong)) == ours


@pytest.mark.parametrize("name", sorted({name for name, _ in page()} - {m.STAGE_DURATION.bucket.name}))
def test_a_series_that_is_missing_is_no_zero(name):
    found = [
        line for line in lines_of({k: v for k, v in page().items() if k[0] != name}) if line.state != HOLDS
    ]
    assert found
    assert all("missing" in line.measured for line in found)


def test_what_clients_did_not_get_fails():
    assert failing(page(), replace(SEEN, answered=999))[0].startswith("model_requests_total, ok and error")
    assert failing(page(), replace(SEEN, refused=21)) == [
        "monitored: answers other than 2xx, of bad requests sent"
    ]
    assert failing(page(), replace(SEEN, socket_errors=1)) == ["monitored: broken connections and timeouts"]


def test_a_ratio_is_not_rounded_to_what_was_expected():
    assert exactly("ratio", 1, 1.0, 0.98) == Line("ratio", "1", "1 / 0.98", FAILS)


# The load.
ROW = {
    "hour": 17,
    "minute": 45,
    "distance": 1089,
    "temp": 39.0,
    "dewp": None,
    "humid": 64.4,
    "wind_speed": 12.7,
}
ROW |= {"precip": 0, "pressure": 1015.2, "visib": 10}


def test_every_bad_body_is_refused_for_a_reason_of_its_own():
    handler = FlightDelayHandler()
    handler.columns = tuple(ROW)
    handler.values_of = lambda body: tuple(body[column] for column in ROW)
    handler.read({"body": json.dumps(ROW)}, into=np.empty(10, dtype=object))
    reasons = []
    for body in bad_bodies(ROW):
        with pytest.raises(ValueError, match=r".") as refused:
            handler.read({"body": body}, into=np.empty(10, dtype=object))
        reasons.append(str(refused.value))
    assert len(set(reasons)) == len(reasons) == 4


def test_answers_add_up_and_are_read_from_the_last_line():
    line = '{"sent": 3, "bad": 1, "answered": 3, "refused": 1, "socket_errors": 0}'
    seen = answers_of(f"Running 2s test\n  Latency ...\n{line}\n")
    assert seen == Answers(3, 1, 3, 1, 0)
    assert seen + seen == Answers(6, 2, 6, 2, 0)
    assert seen.good == 2
    with pytest.raises(RuntimeError, match="unable to connect"):
        answers_of("unable to connect to 127.0.0.1:9 Connection refused\n")


@pytest.fixture
def refusing_server():
    """Answer 400 to a body that is not JSON, and count what arrives."""
    arrived = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            arrived.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200 if body.startswith("{") else 400)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/predictions/a", arrived
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wrk():
    try:
        subprocess.run(["wrk"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("wrk is missing; on Debian and Ubuntu: apt-get install wrk")


@pytest.mark.usefixtures("wrk")
@pytest.mark.parametrize("rate", [0, 150])
def test_wrk_counts_what_the_server_served_to_the_last_request(refusing_server, tmp_path, rate):
    url, arrived = refusing_server
    (tmp_path / "good").write_text('{"row": 1}\n{"row": 2}\n{"row": 3}\n')
    (tmp_path / "bad").write_text("[1]\n")
    load = Load(tmp_path / "good", tmp_path / "bad", connections=4, rate=rate, drain_seconds=2)
    with loading(load, {"a": url}, seconds=1) as state:
        pass
    seen = state.answers["a"]
    assert 0 < seen.sent == seen.answered == len(arrived)
    assert seen.bad == seen.refused == seen.sent // 50 == sum(body == "[1]" for *_, body in arrived)
    assert seen.socket_errors == 0
    if rate:
        assert seen.sent <= rate
    assert {(path, kind) for path, kind, _ in arrived} == {("/predictions/a", "application/json")}
    assert {body for *_, body in arrived} >= {'{"row": 1}', '{"row": 2}', '{"row": 3}'}


@pytest.mark.usefixtures("wrk")
def test_a_load_that_ends_early_is_an_error_and_none_is_left_behind(refusing_server, tmp_path):
    (tmp_path / "bodies").write_text("{}\n")
    load = Load(tmp_path / "bodies", tmp_path / "bodies", connections=1)
    left = []

    def one_dies():
        with loading(load, dict.fromkeys("ab", refusing_server[0]), seconds=60) as state:
            left.extend(state.processes.values())
            state.check()
            state.processes["a"].kill()
            state.processes["a"].wait()
            state.check()

    with pytest.raises(RuntimeError, match="the load on 'a' has ended early"):
        one_dies()
    assert [process.poll() for process in left] == [-9, -9]


# Watching processes.
def test_a_process_is_sampled_until_it_ends():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = Watched("monitored", "9000", psutil.Process(child.pid))
    found.look(1.0)
    child.communicate(b"\n")
    found.look(2.0)
    found.look(3.0)
    assert found.ended
    (sample,) = found.samples
    assert sample.seconds == 1.0
    assert sample.rss_bytes >= sample.private_bytes > 0
    assert sample.threads == 1
    assert sample.files >= 3


def samples(values, *, files=5, threads=4):
    return [
        Sample(float(second), int(value), int(value) - 1000, threads, files, second / 10)
        for second, value in zip(TIMES, values)
    ]


def processes(*, monitored=0.0, plain=0.0, **more):
    """Return four workers and a front end that grow by so many MB an hour."""
    found = []
    for model, rate in (("plain", plain), ("monitored", monitored)):
        for worker in ("0", "1"):
            grown = samples(START + rate * MEGABYTE / HOUR * TIMES, **(more if model == "monitored" else {}))
            found.append(Watched(model, worker, psutil.Process(), grown))
    found.append(Watched(FRONT_END, "", psutil.Process(), samples(2 * START + TIMES)))
    return found


def test_the_growth_line_follows_the_rule():
    line, apart = report.growth_line(processes(monitored=36, plain=1), since=288)
    assert line.state == FAILS
    assert apart.megabytes_an_hour[0] == pytest.approx(35, rel=1e-3)
    assert line.measured.startswith("+35.0")
    assert report.growth_line(processes(monitored=1, plain=1), since=288)[0].state == HOLDS
    ended = processes()
    ended[3].ended = True
    for found in (ended, [replace(one, samples=one.samples[:20]) for one in processes()]):
        line, apart = report.growth_line(found, since=0)
        assert (line.state, apart) == (CANNOT_TELL, None)


def test_growth_a_request_is_growth_over_the_workers_share_of_requests():
    found = processes(monitored=36)
    found[2].samples = [replace(sample, cpu_seconds=sample.cpu_seconds * 3) for sample in found[2].samples]
    fitted = report.rates(found, {"plain": 100.0, "monitored": 100.0, FRONT_END: 200.0}, since=288)
    # 36 MB an hour are 10,000 bytes a second; three quarters of 100 requests a second were this worker's.
    assert fitted["monitored 0"].bytes_a_request == pytest.approx(10_000 / 75, rel=1e-3)
    assert fitted["monitored 1"].bytes_a_request == pytest.approx(10_000 / 25, rel=1e-3)
    assert fitted["plain 0"].bytes_a_request == 0
    assert fitted[FRONT_END].bytes_a_request == pytest.approx(1 / 200)
    found[2].ended = True
    assert "monitored 0" not in report.rates(
        found, {"plain": 1.0, "monitored": 1.0, FRONT_END: 2.0}, since=288
    )


def test_files_and_threads_may_not_grow():
    steady = processes()
    assert report.steady_line(steady, "files", "open files", since=288).state == HOLDS
    steady[3].samples[-1] = replace(steady[3].samples[-1], files=6)
    line = report.steady_line(steady, "files", "open files", since=288)
    assert (line.state, line.measured) == (FAILS, "5 → 5, 5 → 6")
    assert report.steady_line(steady, "threads", "threads", since=288).state == HOLDS
    steady[3].ended = True
    assert report.steady_line(steady, "threads", "threads", since=288).state == FAILS


def test_both_models_have_to_get_the_same_number_of_requests():
    answers = {"plain": Answers(answered=1000), "monitored": Answers(answered=990)}
    assert report.equal_line(answers).state == HOLDS
    assert report.equal_line(answers | {"monitored": Answers(answered=989)}).state == FAILS


def test_samples_are_thinned_evenly_with_both_ends():
    everything = samples(TIMES)
    few = thinned(everything, 10)
    assert [sample.seconds for sample in (few[0], few[-1])] == [0, 1438]
    assert set(np.diff([sample.seconds for sample in few])) <= {158, 160, 162}
    assert len(few) == 10
    assert thinned(few, 10) == few


def test_the_results_are_short_lines_and_become_a_picture(tmp_path):
    content = {
        "settings": {"warmup_seconds": 288, "minutes": 24},
        "processes": report.described(processes(monitored=3), {}),
    }
    report.write(content, tmp_path / "new" / "soak.json")
    text = (tmp_path / "new" / "soak.json").read_text()
    assert json.loads(text) == content
    assert len(text.splitlines()) < 80
    picture = draw(content, tmp_path / "soak.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
