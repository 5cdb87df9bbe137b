"""Time in front of the handler, out of the headers that proxies send."""

import pytest

from torchvitals.recording.queue_time import queue_seconds, queue_seconds_of

NOW = 1_700_000_010.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("t=1700000000.123", 9.877),
        ("1700000000.123", 9.877),
        ("t=1700000000", 10.0),
        ("1700000009750", 0.25),
        ("t=1700000009750", 0.25),
        ("t=1700000009999000", 0.001),
        ("1700000009999000000", 0.001),
        (" t=1700000009.5 ", 0.5),
        ("t=1700000009.5, t=1700000009.9", 0.5),
        ("t=1700000010.4", 0.0),
        ("t=1700000012", None),
        ("t=1600000000", None),
        ("0", None),
        ("t=", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-1700000000", None),
        ("Sun, 22 Nov 2026 19:00:00 GMT", None),
        (b"t=1700000000", None),
        (None, None),
    ],
)
def test_a_start_header_is_read_in_every_unit_and_nonsense_is_ignored(header, seconds):
    got = queue_seconds(header, NOW)
    assert got is None if seconds is None else got == pytest.approx(seconds, abs=1e-6)


def test_nonsense_among_the_headers_of_a_batch_is_left_out():
    assert list(queue_seconds_of("t=1700000009.5\nnonsense\n1700000009750", NOW)) == pytest.approx(
        [0.5, 0.25]
    )
