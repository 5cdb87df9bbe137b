"""How the server benchmark judges its rounds, what it serves, and how it tells the flush's requests apart."""

import io
import json
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import server
from benchmarks.flush_latency import (
    Turn,
    gap_of,
    median_interval,
    overlaps,
    p99_ratios,
    pooled,
    read_flushes,
    same_places,
    summary,
    turn,
)
from benchmarks.h2load import Requests, read_log
from benchmarks.models import FLIGHT_DELAY, MODELS, RESNET18, TRANSFORMER
from benchmarks.models.resnet18 import crops, jpeg
from benchmarks.models.resnet18.model import ResNet18
from benchmarks.models.transformer import padded, texts
from benchmarks.models.transformer.model import PADDING, VOCABULARY, TransformerClassifier
from benchmarks.models.wide import WIDE
from benchmarks.server import Load, ratios, table, variants_of, write_script
from benchmarks.variants import IMPORT
from torchvitals import Baseline


def load(throughput, cpu, p99=0.01):
    return Load(
        requests=1000,
        throughput=throughput,
        p50_seconds=0.005,
        p99_seconds=p99,
        worker_cpu_seconds=cpu,
        server_cpu_seconds=4e-4,
    )


ROUNDS = [
    {"plain": load(1000, 5e-4), "monitored": load(1200, 4e-4), "defaults": load(1000, 5e-4)},
    # A round in which the machine was slow: for all alike, so that the ratios stay.
    {"plain": load(500, 9e-4), "monitored": load(600, 7.2e-4), "defaults": load(500, 9e-4)},
    {"plain": load(1000, 5e-4), "monitored": load(1100, 4.5e-4, 0.02), "defaults": load(1000, 5e-4)},
]


def test_ratios_are_taken_round_by_round_against_the_variant_asked_for():
    assert ratios(ROUNDS, "throughput", "monitored") == pytest.approx([1.2, 1.2, 1.1])
    assert ratios(ROUNDS, "throughput", "monitored", "defaults") == pytest.approx([1.2, 1.2, 1.1])
    assert ratios(ROUNDS, "worker_cpu_seconds", "monitored") == pytest.approx([0.8, 0.8, 0.9])


def test_larger_models_are_served_plain_and_monitored_alone():
    assert [variant.name for variant in variants_of(RESNET18)] == ["plain", "monitored"]
    assert {"plain", "monitored", "uncoalesced", "defaults"} < {
        variant.name for variant in variants_of(FLIGHT_DELAY)
    }
    shown = table(ROUNDS, RESNET18)
    assert shown.title.startswith("ResNet-18, median of 3")
    assert list(shown.columns[0].cells) == ["plain BaseHandler", "TorchVitals"]
    assert list(shown.columns[2].cells) == ["1.00", "0.80"]


def test_each_model_has_a_place_of_its_own_for_its_figures():
    assert set(get_args(server.ModelName)) == set(MODELS)
    files = [server.results_file(model).name for model in MODELS.values()]
    assert files == ["server.json", "server-resnet18.json", "server-transformer.json"]
    assert server.results_file(FLIGHT_DELAY, 4).name == "server-java-4.json"
    assert server.results_file(RESNET18, 4).name == "server-resnet18-java-4.json"


@pytest.mark.parametrize("model", [*MODELS.values(), WIDE], ids=lambda model: model.name)
def test_every_handler_can_be_made_plain(model):
    assert (model.folder / "handler.py").read_text().count(IMPORT) == 1
    assert all(file.is_file() for file in (model.folder / "model.py", *model.extra_files))


def test_wrk_is_told_to_send_every_body_in_turn(tmp_path):
    script = write_script(tmp_path, (b"\xff\xd8one", b"two"), "image/jpeg").read_text()
    assert [(tmp_path / f"body-{number}").read_bytes() for number in (1, 2)] == [b"\xff\xd8one", b"two"]
    assert "for number = 1, 2 do" in script
    assert f'"{tmp_path}/body-%d"' in script
    assert '{["Content-Type"] = "image/jpeg"}' in script


def test_the_resnet_has_the_parameters_that_torchvision_counts_in_resnet18():
    model = ResNet18()
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_689_512
    names = model.state_dict()
    assert "layer1.0.conv1.weight" in names
    assert "layer2.0.downsample.0.weight" in names
    assert "layer1.0.downsample.0.weight" not in names
    assert names["layer4.1.conv2.weight"].shape == (512, 512, 3, 3)


def test_the_resnet_is_given_photographs():
    images = crops(4, seed=7)
    sent = [np.asarray(Image.open(io.BytesIO(jpeg(image)))) for image in images]
    assert {image.shape for image in sent} == {(224, 224, 3)}
    assert len({image.tobytes() for image in sent}) == 4
    # A photograph, and nearly the same one after compression.
    assert min(image.std() for image in sent) > 20
    assert np.abs(sent[0].astype(int) - np.asarray(images[0]).astype(int)).mean() < 5
    white = ResNet18.normalised(np.full((1, 2, 2, 3), 255, dtype=np.uint8))
    assert white.shape == (1, 3, 2, 2)
    assert white[0, :, 0, 0] == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])


def test_the_transformer_is_not_moved_by_padding():
    model = TransformerClassifier().eval()
    short = torch.from_numpy(texts(1, seed=3)[0])[:8].unsqueeze(0)
    long = torch.nn.functional.pad(short, (0, 30), value=PADDING)
    with torch.inference_mode():
        torch.testing.assert_close(model(long), model(short), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(model(short + 1), model(short), atol=1e-3)


def test_token_rows_are_as_frequent_and_as_long_as_said():
    rows = texts(300, seed=4)
    lengths = [len(row) for row in rows]
    assert (min(lengths), max(lengths)) == (8, 64)
    ids = np.concatenate(rows)
    assert ids.min() == 1
    assert ids.max() < VOCABULARY
    # The first of 9,999 ids has a chance of 1 / (1 + 1/2 + ... + 1/9999) = 0.102.
    assert (ids == 1).mean() == pytest.approx(0.102, abs=0.015)
    assert padded([np.array([5, 6]), np.array([7])]).tolist() == [[5, 6], [7, PADDING]]


def test_the_transformer_brings_a_baseline_of_tokens_and_readable_bodies(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.models.transformer.TRAINING_ROWS", 200)
    prepared = TRANSFORMER.prepare(tmp_path)
    baseline = Baseline.load(prepared.baseline)
    assert baseline.input_kind == "tokens"
    assert [f.name for f in baseline.features if f.source == "input"] == ["length", "out_of_vocabulary"]
    TransformerClassifier().load_state_dict(torch.load(prepared.weights))
    assert all(8 <= len(json.loads(body)["tokens"]) <= 64 for body in prepared.bodies)


def test_the_wide_model_is_sent_rows_like_its_baseline(tmp_path):
    prepared = WIDE.prepare(tmp_path)
    baseline = Baseline.load(prepared.baseline)
    columns = [feature for feature in baseline.features if feature.source == "input"]
    assert [feature.name for feature in columns[:2]] == ["column0", "column1"]
    assert len(columns) == 101  # and row_distance
    sent = json.loads(prepared.bodies[0])
    assert len(sent) == 100
    assert [feature.mean for feature in columns[:100]] == pytest.approx(sent, abs=0.1)


# What h2load 1.52 wrote: microseconds since 1970, status, microseconds; of TorchServe the status is 0.
LOG = "1795387331558213\t200\t967\n1795387331560387\t0\t418\n"


def test_a_log_of_h2load_is_read():
    requests = read_log(LOG)
    assert requests.sent.tolist() == [1795387331.558213, 1795387331.560387]
    assert requests.seconds.tolist() == [0.000967, 0.000418]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOG + "1795387331570387\t503\t418\n", r"1 of 3 requests failed \(statuses \[503\]"),
        (LOG + "1795387331570387\t-1\t418\n", r"1 of 3 requests failed \(statuses \[-1\]"),
        ("", "0 of 0 requests failed"),
    ],
)
def test_a_log_with_requests_that_failed_is_refused(text, message):
    with pytest.raises(RuntimeError, match=message):
        read_log(text)


FLUSHES = read_flushes("10.000000 11.000000\n15.000000 15.500000\n")


@pytest.mark.parametrize(
    ("sent", "seconds", "during"),
    [
        (9.0, 0.5, False),  # over before the flush
        (9.8, 0.4, True),  # it began meanwhile
        (10.2, 0.1, True),  # inside
        (10.9, 0.4, True),  # it ended meanwhile
        (9.0, 3.0, True),  # the whole flush
        (11.0, 1.0, False),  # between two
        (11.5, 3.6, True),  # into the second
        (16.0, 0.1, False),  # after the last
    ],
)
def test_a_request_overlaps_a_flush_when_both_run_at_one_time(sent, seconds, during):
    requests = Requests(np.array([sent]), np.array([seconds]))
    assert overlaps(requests, FLUSHES).tolist() == [during]
    assert overlaps(requests, read_flushes("")).tolist() == [False]


def test_overlaps_are_those_that_comparing_each_with_each_finds():
    rng = np.random.default_rng(5)
    begins = np.cumsum(rng.uniform(0.5, 2, 40))
    flushes = np.stack([begins, begins + rng.uniform(0.01, 0.4, 40)], axis=1)
    requests = Requests(rng.uniform(0, 60, 3000), rng.exponential(0.3, 3000))
    ends = requests.sent + requests.seconds
    each = (requests.sent[:, None] < flushes[:, 1]) & (ends[:, None] > flushes[:, 0])
    found = overlaps(requests, flushes)
    assert found.tolist() == each.any(axis=1).tolist()
    assert 0 < found.sum() < 3000


def test_the_share_of_a_turn_in_flushes_counts_what_lies_inside_it():
    requests = Requests(np.array([10.5, 14.0]), np.array([0.5, 1.25]))  # from 10.5 to 15.25
    found = turn(requests, FLUSHES)
    assert found.flushing == pytest.approx((0.5 + 0.25) / 4.75)
    assert found.during.tolist() == [True, True]
    assert found.flushes == pytest.approx([1.0, 0.5])
    assert turn(requests, read_flushes("")).flushing == 0
    later = Requests(np.array([12.0, 13.0]), np.array([0.5, 0.5]))
    assert turn(later, FLUSHES).flushing == 0
    assert len(turn(later, FLUSHES).flushes) == 0


def test_the_plain_handlers_requests_are_taken_from_the_same_places_of_its_turn():
    monitored = Requests(np.array([100.0, 103.0, 106.0]), np.full(3, 0.5))
    plain = Requests(np.array([200.0, 203.0, 206.0]), np.full(3, 0.5))
    flushes = np.array([[90.0, 91.0], [102.9, 103.2]])
    assert same_places(plain, monitored, flushes) == pytest.approx(np.array([[190.0, 191.0], [202.9, 203.2]]))
    assert turn(plain, same_places(plain, monitored, flushes)).during.tolist() == [False, True, False]


def pair(plain_ms, outside_ms, inside_ms, plain_inside_ms=None):
    """A round whose requests all take as long as said, 200 of each kind."""
    during = np.arange(400) >= 200
    plain = np.repeat([plain_ms / 1e3, (plain_inside_ms or plain_ms) / 1e3], 200)
    watched = np.repeat([outside_ms / 1e3, inside_ms / 1e3], 200)
    flushes = np.array([0.2])
    return {"plain": Turn(plain, during, 0.1, flushes), "monitored": Turn(watched, during, 0.1, flushes)}


def test_p99_in_flushes_is_compared_with_the_plain_handlers_in_the_same_places():
    rounds = [pair(9, 2, 3, 2), pair(9, 2, 3, 2)]
    assert pooled(rounds, "monitored", True) == pytest.approx(np.full(400, 0.003))
    assert p99_ratios(rounds) == pytest.approx([1.5, 1.5])
    found = summary(rounds)
    assert found["p99_in_flushes_ratio"] == pytest.approx(1.5)
    assert found["p99_in_flushes_ratio_interval"] == pytest.approx((1.5, 1.5))
    assert found["groups"]["outside flushes"] == pytest.approx(
        {"requests": 400, "p50_seconds": 0.002, "p99_seconds": 0.002}
    )
    assert found["groups"]["plain, in the same places"]["p99_seconds"] == pytest.approx(0.002)
    assert found["flushing_ratio"] == pytest.approx(0.1)
    assert found["flush_seconds"] == pytest.approx(0.2)
    assert found["median_of_rounds_ratio"]["p99"] == pytest.approx(3 / 9)


def test_a_round_in_which_the_machine_stood_still_does_not_make_the_figure():
    assert summary([pair(2, 2, 2), pair(2, 2, 3), pair(2, 2, 300)])["p99_in_flushes_ratio"] == pytest.approx(
        1.5
    )


def test_the_interval_of_the_median_is_wide_where_rounds_differ():
    assert median_interval([1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]) == pytest.approx((1, 2))
    assert median_interval([1.0] * 10 + [2.0]) == pytest.approx((1, 1))


def test_rounds_without_a_flush_give_no_figure():
    quiet = {
        name: Turn(np.full(4, 0.002), np.zeros(4, bool), 0.0, np.empty(0)) for name in ("plain", "monitored")
    }
    with pytest.raises(RuntimeError, match="no request overlapped a flush"):
        summary([quiet])
    assert p99_ratios([quiet, pair(2, 2, 3)]) == pytest.approx([1.5])


@pytest.mark.parametrize(("rate", "gap"), [(1000, 2), (1200, 2), (999, 3), (2500, 1), (4000, 1)])
def test_the_paced_load_is_half_of_saturation_at_most(rate, gap):
    assert gap_of(rate) == gap
