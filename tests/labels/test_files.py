"""Files that are no predictions are kept aside, whatever is in them; the others are taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchvitals_labels import collecting
from torchvitals_labels.batch import Batch, batch_of
from torchvitals_labels.collecting import MOST_REFUSED, Collector, waiting
from torchvitals_labels.errors import FileError
from torchvitals_labels.store import Store

from .predictions import NOW, file_of, net

NOTHING = np.array([np.nan])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "written in format 2; this version reads 1"),
        ({"kind": "picture"}, "Invalid enum value 'picture'"),
        ({"model_name": ""}, "a model's name and version have 1 to 200 characters"),
        ({"model_version": "1" * 201}, "a model's name and version have 1 to 200 characters"),
        ({"model_name": "two\nlines"}, "not of up to 200 printable characters"),
        ({"segments": ["\x1b[2J"]}, "not of up to 200 printable characters"),
        ({"segments": ["a", "b"]}, "2 segments of 1 predictions"),
        ({"times": np.array([NOW, NOW])}, "`times` has 16 bytes, and not 8 for each of 1 numbers"),
        ({"times": NOTHING}, "a time or a prediction is not a finite number"),
        ({"predicted": NOTHING}, "a time or a prediction is not a finite number"),
        ({"predicted": np.array([3.0])}, "a predicted class is none of the 3"),
        ({"predicted": np.array([0.5])}, "a predicted class is none of the 3"),
        ({"predicted": np.array([-1.0])}, "a predicted class is none of the 3"),
        ({"classes": [str(number) for number in range(10_001)]}, "10001 classes are too many"),
        ({"scores": np.zeros(2)}, "`scores` has 16 bytes"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_a_file_that_is_none_says_why(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(FileError, match=says):
        batch_of(file_of(["a"], **changes), "some.predictions")


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda size: file_of(["a", "b"])[:size]))
def test_any_bytes_are_a_file_or_an_error(content: bytes) -> None:
    said = ""
    try:
        found = batch_of(content, "some.predictions")
    except FileError as error:
        said = str(error)
    assert said.startswith("some.predictions: ") or len(found.ids) == len(found.times)


def test_what_is_no_file_of_predictions_is_kept_aside(opened: Callable[[str], Store], tmp_path: Path) -> None:
    store, folder = opened("here"), tmp_path / "predictions"
    assert waiting(folder) == []
    folder.mkdir()
    (folder / "1.predictions").write_bytes(b"nothing")
    (folder / "2.predictions").write_bytes(file_of(["a", "b"]))
    (folder / ".3.predictions.tmp").write_bytes(b"half a f")
    (folder / "4.predictions").symlink_to("/etc/passwd")
    (folder / "5.predictions").mkdir()
    (folder / "notes.txt").write_text("mine")
    assert Collector([folder]).collect(store)
    assert net(store.totals(), "model_stored_predictions") == 2
    assert sorted(file.name for file in folder.iterdir()) == [
        ".3.predictions.tmp",
        "5.predictions",
        "notes.txt",
        "refused",
    ]
    assert sorted(file.name for file in (folder / "refused").iterdir()) == [
        f"{n}.predictions" for n in (1, 4)
    ]
    assert net(store.totals(), "predictions_refused_files") == 2


def test_few_of_many_bad_files_are_kept(opened: Callable[[str], Store], tmp_path: Path) -> None:
    store = opened("here")
    for number in range(MOST_REFUSED + 5):
        (tmp_path / f"{number}.predictions").write_bytes(msgspec.msgpack.encode(number))
    Collector([tmp_path]).collect(store)
    assert len(list((tmp_path / "refused").iterdir())) == MOST_REFUSED
    assert net(store.totals(), "predictions_refused_files") == MOST_REFUSED + 5
    assert waiting(tmp_path) == []


def test_a_file_that_cannot_be_opened_waits_and_the_others_are_taken(
    opened: Callable[[str], Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened("here")
    for name in ("1", "2"):
        (tmp_path / f"{name}.predictions").write_bytes(file_of([name]))

    def read(file: Path) -> Batch:
        if file.name.startswith("1"):
            raise PermissionError("it is another user's")
        return batch_of(file.read_bytes(), file.name)

    monkeypatch.setattr(collecting, "read_batch", read)
    assert Collector([tmp_path]).collect(store)
    assert [file.name for file in waiting(tmp_path)] == ["1.predictions"]
    assert net(store.totals(), "model_stored_predictions") == 1


def test_a_turn_ends_and_the_next_goes_on(opened: Callable[[str], Store], tmp_path: Path) -> None:
    store, collector = opened("here"), Collector([tmp_path])
    (tmp_path / "1.predictions").write_bytes(file_of(["a"]))
    assert not collector.collect(store, until=0.0)
    assert len(waiting(tmp_path)) == 1
    assert collector.collect(store)
    assert waiting(tmp_path) == []
