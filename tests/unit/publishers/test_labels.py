"""Label values: whatever a name is, its series is its own, and is there."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.publishers.front_end import LINE_ENDS
from torchvitals.publishers.labels import LONGEST, SURROGATES, label_value
from torchvitals.publishers.torchserve import WHOLE_WRITE_BYTES, TorchServePublisher, safe_label
from torchvitals.telemetry import catalogue as m

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
# What is alike once the line format has taken its part.
ALIKE = st.text(alphabet=",:|_\n\r\x00\x1b\x85\u2028\u2029\ud800a~ ", max_size=6)

GROUPS = {
    "separators": ["a,b", "a:b", "a|b", "a_b", "a,:b", "a,,b", "a__b"],
    "line ends": ["a\nb", "a\rb", "a\r\nb", "a\x85b", "a\u2028b", "a\u2029b", "a\x0bb", "a\x0cb", "a b"],
    "controls": ["a\x00b", "a\x1bb", "a\x7fb", "a\tb", "a\x9fb"],
    "nothing": ["", "none", "_", ",", ":", "\n"],
    "broken text": ["\ud800", "\udfff", "\ud83d", "\U0001f600"],
    "already changed": ["a,b", safe_label("a,b"), safe_label(safe_label("a,b")), "a_b"],
    "long": ["x" * 200, "x" * 201, "x" * LONGEST, "x" * (LONGEST + 1), "x" * 199 + "y"],
    "brackets and hashes": ["price [EUR]", "price _EUR_", "#1", "_1", "[METRICS]"],
    "case and blanks": ["Ab", "ab", "ab ", " ab", "a b"],
}


@pytest.mark.parametrize("names", GROUPS.values(), ids=GROUPS)
def test_each_name_has_a_series_of_its_own(cache, written, names):
    publisher = TorchServePublisher(cache, model_name="fraud", model_version="1.0")
    for amount, name in enumerate(names, start=1):
        publisher.increase(m.PREDICTIONS, (name,), amount)
        publisher.set(m.feature_gauge("psi"), ("input", name, "1000", "9000"), amount)
    publisher.flush()
    found = written()
    assert not found.lost
    for metric, label in (("model_predictions_total", "class"), ("model_feature_psi", "feature")):
        updates = [update for update in found.updates if update.name == metric]
        assert [update.value for update in updates] == list(range(1, len(names) + 1))
        assert len({dict(update.labels)[label] for update in updates}) == len(names)
        assert [dict(update.labels)[label] for update in updates] == list(map(safe_label, names))


@given(ANY)
@example("~00000000")
@example("x" * 200)
def test_any_name_is_carried(name):
    text = safe_label(name)
    assert 0 < len(text) <= LONGEST
    assert len(LINE_ENDS.split(text)) == 1
    assert not set(text) & set(",:|")
    assert text.encode().decode() == text
    assert all(character >= " " for character in text)


@given(ALIKE, ALIKE)
@example("a,b", safe_label("a,b"))
@example("", "none")
def test_two_names_are_two_label_values(one, other):
    assert (safe_label(one) == safe_label(other)) == (one == other)


@given(st.text(alphabet=string.printable.translate(str.maketrans("", "", ",:|\t\n\r\x0b\x0c")), min_size=1))
def test_a_name_that_can_be_carried_stays_as_it_is(name):
    if re.search(r"~[0-9a-f]{8}\Z", name) is None and len(name) <= LONGEST:
        assert safe_label(name) == name


def test_every_worker_gives_the_same_text(new_cache, written):
    for _ in range(2):
        publisher = TorchServePublisher(new_cache(), model_name="net/é, v2", model_version="1:rc")
        publisher.increase(m.REQUESTS, ("ok",), 1)
        publisher.flush()
    one, other = (update for update in written().updates if update.name == "model_requests_total")
    assert one == other
    assert dict(one.labels)["model_name"] == safe_label("net/é, v2")


def test_a_line_of_the_longest_names_is_written_in_one_piece(cache, caplog):
    caplog.set_level("INFO")
    name = "\U0001f600" * 500
    publisher = TorchServePublisher(cache, model_name=name, model_version=name)
    publisher.increase(m.OBSERVATIONS, ("input", name, f"00 {name}"), 1)
    publisher.flush()
    writes = [record.getMessage() for record in caplog.records if record.name.startswith("ts.")]
    assert writes
    assert max(len(text.encode()) + 1 for text in writes) <= WHOLE_WRITE_BYTES


def test_the_log_says_once_what_is_shown_otherwise(cache, caplog):
    caplog.set_level("WARNING")
    publisher = TorchServePublisher(cache, model_name="fraud", model_version="1.0")
    caplog.clear()
    for _ in range(3):
        for name in ("a,b", "plain", "x\n[METRICS]forged.count:1|#a:b|#type:GAUGE|#hostname:h,1"):
            publisher.increase(m.PREDICTIONS, (name,), 1)
        publisher.flush()
    (line,) = (record.getMessage() for record in caplog.records)
    assert f"{safe_label('a,b')} is 'a,b'" in line
    assert "plain" not in line
    assert len(LINE_ENDS.split(line)) == 1
    for index in range(50):
        publisher.increase(m.PREDICTIONS, (f"{index},",), 1)
    publisher.flush()
    assert caplog.records[-1].getMessage().endswith("; and 40 more")


def test_another_metrics_system_carries_more():
    assert label_value("a,b:c\nd", SURROGATES) == "a,b:c\nd"
    assert label_value("a\ud800", SURROGATES) == "a_~" + label_value("a\ud800", SURROGATES)[-8:]
