"""Token ids and texts: real English from Python's own manual, its vocabulary, and what changes it."""

import re
from pydoc_data.topics import topics

import msgspec
import numpy as np
import pytest
import torch

from torchvitals import Baseline, BaselineError, Features, Monitor, MonitoringConfig
from torchvitals.featurizers import Texts, Tokens, detect, reducer
from torchvitals.featurizers.vocabulary import packed, unpacked
from torchvitals.publishers.memory import MemoryPublisher
from torchvitals.telemetry import catalogue as m
from torchvitals.training import BaselineBuilder

PADDING = 0


@pytest.fixture(scope="module")
def paragraphs():
    """Return the manual's paragraphs of ten words or more, in random order: 80 % to learn from, and the rest."""
    found = [part for topic in topics.values() for part in topic.split("\n\n") if len(part.split()) >= 10]
    found = sorted(set(found))
    order = np.random.default_rng(1).permutation(len(found))
    cut = len(found) * 4 // 5
    return [found[place] for place in order[:cut]], [found[place] for place in order[cut:]]


@pytest.fixture(scope="module")
def vocabulary(paragraphs):
    """Return an id for each word of all paragraphs, as a tokenizer has."""
    words = sorted(
        {word for part in paragraphs for text in part for word in re.findall(r"\w+", text.lower())}
    )
    return {word: place + 1 for place, word in enumerate(words)}


def tokenised(texts, vocabulary, length=64):
    ids = np.full((len(texts), length), PADDING)
    for row, text in zip(ids, texts, strict=True):
        found = [vocabulary[word] for word in re.findall(r"\w+", text.lower())][:length]
        row[: len(found)] = found
    return ids


@pytest.fixture(scope="module")
def of_tokens(paragraphs, vocabulary):
    return Baseline.fit(tokenised(paragraphs[0], vocabulary), name="manual")


@pytest.fixture(scope="module")
def of_texts(paragraphs):
    return Baseline.fit(paragraphs[0], name="manual")


def test_kinds_are_told_from_shape_and_type(paragraphs, vocabulary, of_tokens, of_texts):
    assert isinstance(of_tokens.inputs, Tokens)
    assert isinstance(of_texts.inputs, Texts)
    assert [feature.name for feature in of_tokens.features] == ["length", "out_of_vocabulary"]
    assert [feature.name for feature in of_texts.features] == ["words", "out_of_vocabulary"]
    assert detect(np.zeros((3, 7), dtype=int)) == "columns"
    assert detect(np.zeros((3, 8), dtype=int)) == "tokens"
    assert detect(torch.zeros(3, 8, dtype=torch.long)) == "tokens"
    assert detect(np.zeros((3, 8), dtype=int), [f"f{index}" for index in range(8)]) == "columns"
    assert detect(np.zeros((3, 127))) == "columns"
    assert detect(torch.zeros(3, 128, dtype=torch.bfloat16)) == "embeddings"
    assert detect(np.zeros((2, 3, 4, 4))) == "images"
    assert detect(["a text"]) == "texts"


def test_features_are_what_their_names_say(vocabulary):
    known = np.zeros(10, dtype=bool)
    known[[1, 2, 3]] = True
    tokens = Tokens(padding=0, vocabulary=packed(known))
    ids = torch.tensor([[1, 2, 9, 0, 0], [0, 0, 0, 0, 0], [5, -1, 2_000_000, 3, 3]])
    values = tokens.transform(ids)
    assert values[:, 0].tolist() == [3, 0, 5]
    assert values[:, 1].tolist() == pytest.approx([1 / 3, 0, 3 / 5])
    assert unpacked(tokens.vocabulary).tolist()[:4] == [False, True, True, True]


def test_what_is_new_is_measured_as_if_each_row_were_served(paragraphs, of_texts):
    """Held-out texts have as many new words as the baseline says, which counts no text as known to itself."""
    held_out = of_texts.encode(paragraphs[1])[:, 1]
    trained = of_texts.encode(paragraphs[0])[:, 1]
    said = of_texts.features[1].mean
    print(
        f"new words: baseline {said:.3f}, held out {held_out.mean():.3f}, its own texts {trained.mean():.3f}"
    )
    assert trained.mean() == 0
    assert said > 0.02
    assert said == pytest.approx(held_out.mean(), rel=0.15)


def test_held_out_texts_and_tokens_are_quiet(paragraphs, vocabulary, of_texts, of_tokens):
    assert len(paragraphs[1]) == 276
    assert not of_texts.compare(paragraphs[1]).drifted
    assert not of_tokens.compare(tokenised(paragraphs[1], vocabulary)).drifted


FAULTS = {
    "cut short": lambda text: " ".join(text.split()[:8]),
    "another language": lambda text: text.translate(str.maketrans("aeiourst", "öüäéàñçß")),
    "repeated": lambda text: text + " " + text,
}


@pytest.mark.parametrize(
    ("fault", "named"),
    [("cut short", "words"), ("another language", "out_of_vocabulary"), ("repeated", "words")],
)
def test_what_changes_texts_is_flagged_within_300(paragraphs, of_texts, fault, named):
    report = of_texts.compare([FAULTS[fault](text) for text in paragraphs[1]])
    assert next(iter(report.features)) == named
    assert report.features[named].drifted


def test_another_tokenizer_is_flagged(paragraphs, vocabulary, of_tokens):
    """The same texts with ids beyond the vocabulary: what a wrong tokenizer file does."""
    ids = tokenised(paragraphs[1], vocabulary)
    report = of_tokens.compare(np.where(ids == PADDING, PADDING, ids + 5000))
    assert next(iter(report.features)) == "out_of_vocabulary"
    assert report.drifted
    assert not report.features["length"].drifted


def test_streamed_and_merged_give_what_fit_gives(paragraphs, vocabulary, of_tokens, of_texts):
    ids = tokenised(paragraphs[0], vocabulary)
    for rows, fitted in ((ids, of_tokens), (paragraphs[0], of_texts)):
        parts = []
        for start in range(0, len(rows), 700):
            part = BaselineBuilder(name="manual")
            part.update(rows[start : start + 700])
            parts.append(part)
        whole = parts[0]
        for part in parts[1:]:
            whole.merge(part)
        built = whole.baseline()
        assert built.inputs == fitted.inputs
        assert built.features == fitted.features


def test_batches_of_another_length_go_together(paragraphs, vocabulary, of_tokens):
    ids = tokenised(paragraphs[0], vocabulary)
    lengths = (ids != PADDING).sum(axis=1)
    batches = [
        ids[start : start + 64, : lengths[start : start + 64].max()] for start in range(0, len(ids), 64)
    ]
    built = Baseline.from_batches(batches, name="manual", features=Features(inputs="tokens"))
    assert built.features == of_tokens.features


def test_a_saved_one_reads_back_the_same(tmp_path, of_tokens, of_texts):
    for baseline in (of_tokens, of_texts):
        baseline.save(tmp_path / "manual.json")
        assert Baseline.load(tmp_path / "manual.json") == baseline
        assert (tmp_path / "manual.json").stat().st_size < 60_000


def test_it_is_described_on_the_request_path_however_long(of_tokens, of_texts, paragraphs, vocabulary):
    long = np.tile(tokenised(paragraphs[1][:100], vocabulary), 40)
    for baseline, given in ((of_tokens, torch.from_numpy(long)), (of_texts, paragraphs[1][:100])):
        publisher = MemoryPublisher()
        monitor = Monitor(
            MonitoringConfig(flush_interval=10, window=100, overhead_budget=None),
            publisher,
            baseline=baseline,
        )
        call = monitor.recorder.begin()
        monitor.recorder.inputs(call, {"input_ids": given})
        assert call.inputs.shape == (100, 2)
        monitor.recorder.finish(call, requests=100, failed=0)
        monitor.flush()
        assert publisher.value(m.WINDOW_SAMPLES, "100", "0") == 100
        assert publisher.total(m.MONITOR_ERRORS) == 0


@pytest.mark.parametrize(
    "given", [torch.zeros(4, 2), torch.zeros(4, 2, 2, dtype=torch.long)], ids=["floats", "blocks"]
)
def test_what_are_no_tokens_is_counted_as_of_a_bad_shape(of_tokens, given):
    publisher = MemoryPublisher()
    monitor = Monitor(MonitoringConfig(flush_interval=10), publisher, baseline=of_tokens)
    call = monitor.recorder.begin()
    monitor.recorder.inputs(call, given)
    monitor.recorder.finish(call, requests=4, failed=0)
    monitor.flush()
    assert publisher.value(m.INPUT_INVALID, "all", "bad_shape") == 4


def test_errors_say_what_to_give():
    with pytest.raises(
        BaselineError, match=r"token ids have shape \(3, 4\) and type float64; give whole numbers"
    ):
        Baseline.fit(np.zeros((3, 4)), features=Features(inputs="tokens"))
    builder = BaselineBuilder(features=Features(inputs="tokens"))
    builder.update(np.ones((100, 20), dtype=int))
    with pytest.raises(BaselineError, match="a baseline of tokens cannot be built to be merged"):
        builder.baseline(mergeable=True)
    other = BaselineBuilder(features=Features(inputs="tokens", padding=7))
    other.update(np.ones((100, 20), dtype=int))
    with pytest.raises(BaselineError, match="one part has padding 0 and the other 7"):
        builder.merge(other)


def test_what_describing_takes_is_made_at_load(of_tokens, of_texts):
    for baseline in (of_tokens, of_texts):
        fresh = msgspec.structs.replace(baseline.inputs)
        reducer(fresh)
        assert "_describe" in vars(fresh)


def test_nothing_is_kept_of_a_tensor(of_tokens):
    reduce = reducer(of_tokens.inputs)
    ids = torch.ones(3, 9, dtype=torch.long)
    kept = reduce(ids)
    assert kept.shape == (3, 2)
    assert kept.untyped_storage().data_ptr() != ids.untyped_storage().data_ptr()
