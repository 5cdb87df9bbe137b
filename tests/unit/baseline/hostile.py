"""Baselines of each kind with one value made hostile: ``python -m tests.unit.baseline.hostile CASES SEED KIND...``.

Each is sealed anew, loaded and served a few requests, in this process, whose memory is bounded. Prints JSON, by kind:
how many were loaded, how many refused, and the faults: what was raised that is no error of ours, or has more than a
line.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import resource
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from torchvitals import Baseline, Features, MonitoredModel, TorchVitalsError
from torchvitals.publishers.memory import MemoryPublisher

ROWS = 700
SPARE_BYTES = 2**31
LONGEST_MESSAGE = 6_000
HOSTILE = (
    2**31, 2**62, 2**80, -1, 0, 32_767, 1e308, -1e308, 1e-320, 0.5, None, True, "", "x" * 300, "\u2028[METRICS]a",
    "a\nb", "../../etc/passwd", "AAAA", [], {}, [[]] * 3, [0] * 40_000, [1e308] * 5, {"kind": "x"}, [["a"] * 300] * 3,
)  # fmt: skip
Kind = tuple[Baseline, Any, Any]


def _boxes(rng: np.random.Generator, images: int) -> list[dict[str, Any]]:
    counts = rng.integers(0, 4, images)
    return [
        {
            "boxes": torch.from_numpy(rng.uniform(0, 99, (count, 4))),
            "scores": torch.from_numpy(rng.uniform(size=count)),
            "labels": torch.from_numpy(rng.choice([1, 3], size=count)),
        }
        for count in counts
    ]


def _with_outputs(outputs: Any, said: Any = None, **options: Any) -> Kind:
    inputs = np.random.default_rng(1).normal(size=(ROWS, 2))
    baseline = Baseline.fit(inputs, outputs=outputs, features=Features(outputs=said), **options)
    served = outputs[:8] if isinstance(outputs, list) else torch.from_numpy(np.asarray(outputs)[:8])
    return baseline, torch.from_numpy(inputs[:8]).float(), served


def _with_inputs(given: Any, served: Any, **features: Any) -> Kind:
    shares = np.random.default_rng(2).dirichlet([1, 2], len(given))
    baseline = Baseline.fit(given, outputs=shares, features=Features(**features))
    return baseline, served, torch.from_numpy(shares[: len(served)])


def made(kind: str) -> Kind:
    """Return a baseline of a kind, inputs, and what its model gives for them."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet([1, 1, 1], ROWS)
    if kind == "classes":
        inputs = rng.normal(size=(ROWS, 3))
        labels = np.array([rng.choice(3, p=row) for row in shares])
        baseline = Baseline.fit(
            inputs, outputs=shares, labels=labels, class_names=["a", "b", "c"], ordered=True, windows=(50,)
        )
        return baseline, torch.from_numpy(inputs[:8]).float(), torch.from_numpy(shares[:8])
    if kind == "segments":
        rows = np.column_stack([rng.integers(0, 2, ROWS), rng.normal(size=(ROWS, 2))])
        return _with_inputs(rows, torch.from_numpy(rows[:8]).float(), segments=("f0",))
    if kind == "identifiers":
        table = np.array([[f"account{row}", f"{row % 3}"] for row in range(ROWS)], dtype=object)
        return _with_inputs(table, table[:8])
    if kind == "images":
        images = rng.uniform(size=(ROWS, 3, 12, 12)).astype(np.float32)
        return _with_inputs(images, torch.from_numpy(images[:8]), inputs="images")
    if kind == "tokens":
        ids = rng.integers(0, 900, size=(ROWS, 16))
        return _with_inputs(ids, torch.from_numpy(ids[:8]), inputs="tokens")
    if kind == "texts":
        texts = [" ".join(rng.choice(["red", "green", "blue", "black"], 5)) for _ in range(ROWS)]
        return _with_inputs(texts, texts[:8], inputs="texts")
    if kind == "embeddings":
        vectors = rng.normal(size=(ROWS, 24))
        return _with_inputs(vectors, torch.from_numpy(vectors[:8]).float(), inputs="embeddings")
    return {
        "sigmoid": lambda: _with_outputs(rng.uniform(size=ROWS), class_names=["no", "yes"]),
        "decided": lambda: _with_outputs(rng.integers(0, 4, ROWS)),
        "labels": lambda: _with_outputs(rng.uniform(size=(ROWS, 3)), "multilabel"),
        "value": lambda: _with_outputs(rng.normal(size=ROWS)),
        "values": lambda: _with_outputs(rng.normal(size=(ROWS, 40)), "values"),
        "vectors": lambda: _with_outputs(rng.normal(size=(ROWS, 30)), "embeddings"),
        "sequences": lambda: _with_outputs(rng.normal(size=(ROWS, 5, 7)), "sequences"),
        "masks": lambda: _with_outputs(rng.normal(size=(ROWS, 3, 6, 6)), "masks"),
        "boxes": lambda: _with_outputs(_boxes(rng, ROWS)),
    }[kind]()


KINDS = (
    "classes", "segments", "identifiers", "images", "tokens", "texts", "embeddings", "sigmoid", "decided", "labels",
    "value", "values", "vectors", "sequences", "masks", "boxes",
)  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the values of a JSON document stand; of a list the first, the middle and the last."""
    if place:
        yield place
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*place, name))
    elif isinstance(value, list) and value:
        for index in sorted({0, len(value) // 2, len(value) - 1}):
            yield from places(value[index], (*place, index))


def changed(content: dict[str, Any], place: tuple[Any, ...], value: Any) -> bytes:
    """Return a baseline file with one value changed, sealed as a stranger would."""
    content = copy.deepcopy(content)
    content.pop("sha256", None)
    within: Any = content
    for step in place[:-1]:
        within = within[step]
    within[place[-1]] = value
    unsealed = json.dumps(content, separators=(",", ":")).encode()
    return unsealed[:-1] + f',"sha256":"{hashlib.sha256(unsealed).hexdigest()}"}}'.encode()


def serve(file: Path, inputs: Any, outputs: Any) -> None:
    """Load a baseline and serve a few requests under it."""
    baseline = Baseline.load(file)
    str(baseline)
    with MonitoredModel(lambda _: outputs, baseline, publisher=MemoryPublisher()) as model:
        for _ in range(3):
            model.predict(inputs)
            model.monitor.flush()


def tried(kind: str, cases: int, seed: int) -> dict[str, Any]:
    """Try so many cases of a kind; return what came of them."""
    baseline, inputs, outputs = made(kind)
    content = json.loads(msgspec.json.encode(baseline))
    wanted = [(place, value) for place in places(content) if place[0] != "sha256" for value in HOSTILE]
    random.Random(seed).shuffle(wanted)
    counts, faults = {"loaded": 0, "refused": 0}, []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "baseline.json"
        for place, value in wanted[:cases]:
            file.write_bytes(changed(content, place, value))
            case = f"{'.'.join(map(str, place))} = {value!r:.60}"
            try:
                serve(file, inputs, outputs)
                counts["loaded"] += 1
            except TorchVitalsError as error:
                counts["refused"] += 1
                if len(str(error).splitlines()) > 1 or len(str(error)) > LONGEST_MESSAGE:
                    faults.append(f"{case}: a message of {len(str(error))} characters")
            except BaseException as error:  # each is a fault: the worker would end without our message
                where = traceback.extract_tb(error.__traceback__)[-1]
                faults.append(
                    f"{case}: {type(error).__name__}: {error!s:.200} at {where.filename}:{where.lineno}"
                )
    return {**counts, "faults": faults}


def main(cases: int, seed: int, kinds: list[str]) -> None:
    """Bound this process's memory, try the kinds, and print what came of them."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, used + SPARE_BYTES))
    print(json.dumps({kind: tried(kind, cases, seed) for kind in kinds}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
