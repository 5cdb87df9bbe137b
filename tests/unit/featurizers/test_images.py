"""Real images (handwritten digits): what changes them is seen, and clean ones are not accused."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

from torchvitals import Baseline, BaselineError, Monitor, MonitoringConfig
from torchvitals.featurizers import Images
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.training import BaselineBuilder

rng = np.random.default_rng(10)
WHITE = 16.0  # the largest grey value of these images


@pytest.fixture(scope="module")
def digits():
    """Return 1,297 images to learn from and 500 held-out ones, (n, 1, 8, 8), in random order."""
    images = load_digits().images.astype(np.float32)[:, None]
    images = images[rng.permutation(len(images))]
    return images[:-500], images[-500:]


@pytest.fixture(scope="module")
def baseline(digits):
    return Baseline.fit(digits[0], name="digits")


FAULTS = {
    "blur": lambda images: np.stack([[gaussian_filter(image[0], 1.0)] for image in images]),
    "noise": lambda images: images + rng.normal(scale=2.0, size=images.shape).astype(np.float32),
    "inversion": lambda images: WHITE - images,
    "brightness": lambda images: np.minimum(images + 2.0, WHITE),
}


def test_an_image_baseline_has_features_of_images(baseline):
    assert baseline.inputs == Images(channels=1)
    names = [feature.name for feature in baseline.features]
    assert names == ["mean_grey", "std_grey", "brightness", "contrast", "sharpness", "noise"]


def test_clean_held_out_images_are_quiet(baseline, digits):
    assert not baseline.compare(digits[1]).drifted


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_within_500_images(baseline, digits, fault):
    report = baseline.compare(FAULTS[fault](digits[1]))
    worst = next(iter(report.features.values()))
    print(f"{fault}: {worst.name} first, PSI {worst.psi:.2f}")
    assert report.drifted


def test_an_image_baseline_reads_back_the_same(baseline, tmp_path):
    baseline.save(tmp_path / "digits-1.0.json")
    assert Baseline.load(tmp_path / "digits-1.0.json") == baseline


def test_images_are_reduced_on_the_request_path(baseline, digits):
    """Images of 3 × 64 × 64 are far over what is copied a row; their few features are not."""
    publisher = MemoryPublisher()
    large = torch.nn.functional.interpolate(torch.from_numpy(digits[0]), size=(64, 64))
    learned = Baseline.fit(large.numpy(), name="large")
    monitor = Monitor(
        MonitoringConfig(flush_interval=10, window=200, overhead_budget=None),
        publisher,
        baseline=learned,
        worker="9000",
    )
    for fault in (large[:200], large[200:300] + 4, large[300:400] + 4):
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, fault)
        assert len(call.inputs[0]) == 6
        monitor.recorder.finish(call, requests=len(fault), failed=0)
        monitor.flush()
    assert publisher.value(m.WINDOW_SAMPLES, "200", "9000") == 200
    assert publisher.value(m.DRIFTED, "input", "brightness", "200", "9000") == 1
    assert publisher.total(m.MONITOR_DROPPED) == 0
    assert publisher.total(m.MONITOR_ERRORS) == 0
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 0


def test_images_with_other_channels_are_counted_as_another_shape(baseline):
    publisher = MemoryPublisher()
    monitor = Monitor(MonitoringConfig(flush_interval=10), publisher, baseline=baseline, worker="9000")
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, torch.zeros(4, 3, 8, 8))
    monitor.recorder.finish(call, requests=4, failed=0)
    monitor.flush()
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 4


def test_images_stream_and_merge(baseline, digits):
    parts = []
    for part in np.array_split(digits[0], 5):
        parts.append(BaselineBuilder())
        parts[-1].update((torch.from_numpy(part), torch.zeros(len(part))))  # as a DataLoader gives them
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    built = whole.baseline()
    assert (built.inputs, built.features) == (baseline.inputs, baseline.features)
    file = whole.baseline(mergeable=True)
    both = file.merge(file)
    assert (both.inputs, both.samples) == (baseline.inputs, 2 * len(digits[0]))
    assert not both.compare(digits[1]).drifted


def test_images_of_other_channels_do_not_go_together(digits):
    builder = BaselineBuilder()
    builder.update(digits[0])
    with pytest.raises(
        BaselineError, match="a batch holds images with channels = 3, the first one images with channels = 1"
    ):
        builder.update(np.zeros((2, 3, 8, 8)))
    with pytest.raises(
        BaselineError, match=r"images have shape \(5, 64\); give \(images, channels, height, width\)"
    ):
        builder.update(np.zeros((5, 64)))
