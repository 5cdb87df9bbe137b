"""Files of other versions, and files that were changed: what is read, what is refused, and what a refusal says."""

import json
import random
import re
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchvitals import Baseline, BaselineError
from torchvitals._version import __version__
from torchvitals.baseline.file import SCHEMA, Origin, bears_seal, seal_of
from torchvitals.featurizers.vocabulary import validate_vocabulary

FIRST_VERSION = sorted((Path(__file__).parent / "first_version").glob("*.json"))
OURS = sorted((Path(__file__).parents[3] / "baselines").glob("*.json"))
LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
BY_NAME = {"ids": lambda path: path.name}


@pytest.fixture(scope="module")
def content():
    """Return a file of this version, with everything that a file can hold, as it was written."""
    return written(FIRST_VERSION[0])


def written(path):
    """Return what this version writes of a baseline."""
    baseline = Baseline.load(path).sealed()
    return msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n"


def read(folder, raw):
    path = folder / "some-1.0.json"
    path.write_bytes(raw)
    return Baseline.load(path)


def refusal(folder, raw):
    """Return what is said of a file that is refused, and where it is; always with the file's name."""
    with pytest.raises(BaselineError) as refused:
        read(folder, raw)
    said = str(refused.value)
    assert "some-1.0.json" in said
    assert "\n" not in said
    return said


def edited(raw, edit, *, sealed=True):
    """Return a file with something edited in it, and sealed anew, as another version would have written it."""
    found = json.loads(raw)
    edit(found)
    if sealed:
        found.pop("sha256")
        unsealed = msgspec.json.encode(found)
        found["sha256"] = seal_of(unsealed)
    return msgspec.json.format(msgspec.json.encode(found), indent=1)


# --- files of the first version ---


def test_there_is_a_file_of_the_first_version_of_each_kind():
    kinds = {
        (json.loads(path.read_text()).get("inputs") or {"kind": "columns"})["kind"] for path in FIRST_VERSION
    }
    assert kinds == {"columns", "embeddings", "images", "texts", "tokens"}


@pytest.mark.parametrize("path", FIRST_VERSION, **BY_NAME)
def test_a_file_of_the_first_version_is_read_with_its_seal_and_written_as_it_was(path, tmp_path):
    baseline = Baseline.load(path)
    assert (baseline.schema, baseline.torchvitals) == (SCHEMA, "")
    assert bears_seal(path.read_bytes(), baseline.sha256)
    baseline.save(tmp_path / path.name)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_a_file_says_which_version_wrote_it(content, tmp_path):
    assert json.loads(content)["torchvitals"] == __version__
    assert read(tmp_path, content).torchvitals == __version__


# --- the seal ---


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 2), place=st.floats(0, 1, exclude_max=True), new=st.sampled_from(LETTERS))
def test_a_digit_or_letter_that_is_changed_anywhere_is_refused(content, tmp_path_factory, which, place, new):
    raw = bytearray([content, FIRST_VERSION[0].read_bytes(), written(FIRST_VERSION[3])][which])
    places = [at for at, byte in enumerate(raw) if byte in LETTERS]
    at = places[int(place * len(places))]
    if raw[at] == new:
        new = LETTERS[(LETTERS.index(new) + 1) % len(LETTERS)]
    raw[at] = new
    refusal(tmp_path_factory.getbasetemp(), bytes(raw))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"e-", b"E-"),  # the same number
        (b"0000", b"000"),
        (b": 0.0,", b": 0,"),
        (b'"count"', b'"\\u0063ount"'),  # the same name
    ],
)
def test_another_spelling_of_the_same_values_is_refused(tmp_path, old, new):
    for raw in (path.read_bytes() for path in FIRST_VERSION):
        if old in raw:
            assert "does not match its sha256" in refusal(tmp_path, raw.replace(old, new, 1))
            return
    pytest.fail(f"no file has {old!r}")


def test_the_padding_bits_of_bytes_are_sealed_too(tmp_path):
    """Base64 has several spellings of the same bytes; only one is the sealed one."""
    raw = next(path for path in FIRST_VERSION if path.name.startswith("tokens")).read_bytes()
    last = re.search(rb"([A-Za-z0-9+/])=+\"", raw)
    assert last is not None
    place = last.start(1)
    for other in LETTERS:
        changed = raw[:place] + bytes([other]) + raw[place + 1 :]
        if changed != raw:
            refusal(tmp_path, changed)


@pytest.mark.parametrize("path", [*FIRST_VERSION, *OURS], **BY_NAME)
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda raw: msgspec.json.format(raw, indent=-1),
        lambda raw: msgspec.json.format(raw, indent=7),
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: json.dumps(json.loads(raw)).encode(),
        lambda raw: json.dumps(json.loads(raw), indent=2, sort_keys=True, ensure_ascii=False).encode(),
    ],
    ids=["compact", "indented", "lines of Windows", "by json", "sorted by json"],
)
def test_a_file_that_a_formatter_rewrote_is_the_same(path, rewrite, tmp_path):
    assert read(tmp_path, rewrite(path.read_bytes())) == Baseline.load(path)


def test_a_rewritten_file_with_another_value_is_refused(content, tmp_path):
    changed = edited(content, lambda c: c["features"][0].__setitem__("mean", 7.0), sealed=False)
    assert "so it was changed after it was built; restore it" in refusal(tmp_path, changed)
    assert "does not match" in refusal(tmp_path, json.dumps(json.loads(changed), sort_keys=True).encode())


def test_a_file_without_its_seal_or_with_the_seal_of_another_is_refused(content, tmp_path):
    unsealed = edited(content, lambda c: c.pop("sha256"), sealed=False)
    assert "does not match its sha256" in refusal(tmp_path, unsealed)
    other = Baseline.load(FIRST_VERSION[0]).sha256
    assert "does not match" in refusal(
        tmp_path, edited(content, lambda c: c.__setitem__("sha256", other), sealed=False)
    )
    # Not even in the place of the version: a file of this one is not taken for one of the first.
    assert "does not match" in refusal(
        tmp_path, edited(content, lambda c: c.pop("torchvitals"), sealed=False)
    )


# --- newer files ---


def newer(edit):
    def both(found):
        found["torchvitals"] = "7.1.0"
        edit(found)

    return both


NEWER = {
    "an unknown field": (lambda c: c.__setitem__("horizon", [1]), "unknown field `horizon`"),
    "an unknown field of a feature": (
        lambda c: c["features"][1].__setitem__("unit", "m"),
        "unknown field `unit` - at `$.features[1]`",
    ),
    "an unknown kind of feature": (
        lambda c: c["features"][0].__setitem__("kind", "circular"),
        "Invalid enum value 'circular' - at `$.features[0].kind`",
    ),
    "an unknown kind of input": (
        lambda c: c.__setitem__("inputs", {"kind": "graphs", "nodes": 3}),
        "inputs: unknown kind 'graphs'",
    ),
    "an unknown kind of output": (
        lambda c: c["outputs"].__setitem__("kind", "boxes"),
        "unknown kind 'boxes'",
    ),
    "another type": (lambda c: c["features"][0].__setitem__("counts", {"a": 1}), "at `$.features[0].counts`"),
    "another number of bins": (lambda c: c["features"][0]["counts"].append(0), "counts for"),
}


@pytest.mark.parametrize("case", NEWER)
def test_a_file_of_a_newer_version_is_newer_with_the_version_that_reads_it(content, tmp_path, case):
    edit, where = NEWER[case]
    said = refusal(tmp_path, edited(content, newer(edit)))
    assert where in said
    assert f"written by TorchVitals 7.1.0, which is newer than this one, {__version__}" in said
    assert "install torchvitals>=7.1.0 where it is read, or rebuild it" in said
    assert "changed after" not in said
    # The same of this version is damaged.
    ours = refusal(tmp_path, edited(content, edit))
    assert where in ours
    assert "which is newer" not in ours


@pytest.mark.parametrize("number", [2, 9, 10, 123])
def test_a_newer_schema_is_newer_whatever_else_the_file_holds(content, tmp_path, number):
    schema = f"torchvitals/baseline/{number}"
    for raw in (
        edited(content, newer(lambda c: c.update(schema=schema, features={"by": "name"}))),
        json.dumps({"schema": schema, "torchvitals": "7.1.0", "layout": [[[]]]}).encode(),
    ):
        said = refusal(tmp_path, raw)
        assert f"schema is '{schema}', this version reads '{SCHEMA}'" in said
        assert "install torchvitals>=7.1.0" in said
    unsigned = refusal(tmp_path, json.dumps({"schema": schema}).encode())
    assert f"it is newer than this TorchVitals, {__version__}: install the version that wrote it" in unsigned


def test_what_a_newer_version_wrote_is_read_where_it_says_nothing_new(content, tmp_path):
    raw = edited(content, newer(lambda c: None))
    assert read(tmp_path, raw).torchvitals == "7.1.0"
    changed = raw.replace(b'"samples"', b'"sample"')
    assert "which is newer" in refusal(tmp_path, changed)
    assert "changed after it was built" in refusal(tmp_path, re.sub(rb'"samples": \d', b'"samples": 9', raw))


@pytest.mark.parametrize("schema", ["torchvitals/baseline/0", "torchvitals/baseline/x", "something else"])
def test_a_far_older_schema_and_one_of_something_else_are_refused(content, tmp_path, schema):
    for raw in (edited(content, lambda c: c.update(schema=schema)), json.dumps({"schema": schema}).encode()):
        said = refusal(tmp_path, raw)
        assert f"schema is '{schema}', this version reads '{SCHEMA}'; rebuild it with" in said


@pytest.mark.parametrize(
    ("version", "is_newer"),
    [
        ("", False),
        (__version__, False),
        (f"{__version__}.0", False),
        ("0.0.9", False),
        ("0.10.0", True),
        ("1", True),
        ("1.0.0rc1", True),
        ("2.0.dev3+local", True),
        ("next", False),
        ("9.9; rm -r /", False),
        ("9" * 5000, False),
    ],
)
def test_versions_are_compared_by_their_numbers(version, is_newer):
    assert ("newer" in Origin(torchvitals=version).way_out) is is_newer


# --- damaged files ---


PARTS = {
    "$": lambda c: c,
    "$.features[0]": lambda c: c["features"][0],
    "$.features[2].summary": lambda c: c["features"][2].setdefault("summary", {"kind": "none"}),
    "$.features[0].variation[0]": lambda c: c["features"][0]["variation"][0],
    "$.accuracy": lambda c: c["accuracy"],
    "$.rows": lambda c: c["rows"],
    "$.outputs": lambda c: c["outputs"],
    "$.inputs": lambda c: c.setdefault("inputs", {"kind": "images", "channels": 3}),
}


@pytest.mark.parametrize("place", PARTS)
def test_an_unknown_field_is_refused_with_its_place(content, tmp_path, place):
    def edit(found):
        found["features"][0]["variation"] = [{"window": 100, "windows": 20, "quantiles": {"psi": [0.0]}}]
        PARTS[place](found)["colour"] = "red"

    said = refusal(tmp_path, edited(content, edit))
    assert "unknown field `colour`" in said
    assert place == "$" or f"at `{place}`" in said


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (b'"samples"', b'"samples": 1, "samples"', "field `samples` stands twice - at `$`"),
        (b'"mean"', b'"mean": 1.5, "mean"', "field `mean` stands twice - at `$.features[0]`"),
        (b'"scores"', b'"scores": "logits", "scores"', "field `scores` stands twice - at `$.outputs`"),
    ],
)
def test_a_name_that_stands_twice_is_refused_with_its_place(content, tmp_path, old, new, place):
    assert place in refusal(tmp_path, content.replace(old, new, 1))


def test_a_text_of_the_data_that_stands_twice_is_not_printed(content, tmp_path):
    texts = (
        b'"summary": {"kind": "texts", "texts": {"someone@example.org": 1, "someone@example.org": 2}}, "name"'
    )
    said = refusal(tmp_path, content.replace(b'"name": "amount"', texts + b': "amount"', 1))
    assert "a name stands twice - at `$.features[0].summary.texts`" in said
    assert "someone" not in said


def test_a_file_that_is_cut_off_anywhere_is_not_whole(content, tmp_path):
    for length in random.Random(3).sample(range(len(content) - 2), 40):
        assert "is not whole JSON" in refusal(tmp_path, content[:length])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b'{"schema": "\xff"}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b"version https://",
    ],
    ids=[
        "empty",
        "zeros",
        "a byte order mark",
        "no UTF-8",
        "deep lists",
        "deep objects",
        "a pointer to a file",
    ],
)
def test_what_is_no_json_is_refused_in_a_line(tmp_path, raw):
    assert "is not whole JSON" in refusal(tmp_path, raw)


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"7", b'{"schema": 1}', b'{"torchvitals": []}'])
def test_json_of_something_else_is_refused_with_the_field(tmp_path, raw):
    assert re.search(r"missing required field|Expected `(object|str)`", refusal(tmp_path, raw))


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    path = tmp_path / "some-1.0.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room
    with pytest.raises(
        BaselineError, match=r"some-1\.0\.json' has 1099511627776 bytes, which no baseline has"
    ):
        Baseline.load(path)


def test_a_vocabulary_does_not_grow_beyond_all_ids():
    validate_vocabulary(zlib.compress(bytes(125_000)))
    for bomb in (zlib.compress(bytes(50_000_000), 9), zlib.compress(bytes(1000))[:-4]):
        with pytest.raises(BaselineError, match="its vocabulary is damaged"):
            validate_vocabulary(bomb)


def test_infinite_numbers_are_as_in_any_file(tmp_path):
    """JSON has no infinity: what is built never has one."""
    baseline = Baseline.fit(np.array([[np.inf], [1.0], [2.0], [np.nan]] * 100))
    baseline.save(tmp_path / "some-1.0.json")
    assert Baseline.load(tmp_path / "some-1.0.json") == baseline
