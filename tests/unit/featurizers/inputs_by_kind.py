"""Models of every kind of input: what each is given while all is well, and what it is given when something breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
import pandas as pd
import torch

from torchvitals import Features

# What a model is given in so many rows.
Rows = Callable[[np.random.Generator, int], Any]
AIRLINES = np.array(["AA", "B6", "DL", "UA"])
SHARES = [0.7, 0.15, 0.1, 0.05]
WORDS = np.array([f"word{place}" for place in range(200)])
OTHER_WORDS = np.array([f"jargon{place}" for place in range(200)])


@dataclass(frozen=True)
class InputCase:
    """What a model is given, and a fault of that kind.

    row: the row of docs/what-is-compared.md that it serves. first: the features one of which the alert names first.
    training: what the baseline is built of, where that is not what is served. names: of the columns of an array.
    said: beside that outputs are none.
    """

    row: str
    healthy: Rows
    broken: Rows
    first: tuple[str, ...]
    training: Optional[Rows] = None
    names: Optional[list[str]] = None
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> Features:
        """What is said of the data; there are no outputs."""
        return Features(outputs="none", **self.said)

    def train(self, rng: np.random.Generator, rows: int) -> Any:
        """Return what the baseline is built of."""
        return (self.training or self.healthy)(rng, rows)


def tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def objects(*columns: Any) -> np.ndarray:
    """Rows of texts and numbers, as a model of texts takes them."""
    return np.column_stack([np.asarray(column, dtype=object) for column in columns])


def plane(rng: np.random.Generator, rows: int, slope: float = 1.0) -> torch.Tensor:
    """Two columns that go together, and one that goes its own way."""
    x = rng.normal(size=rows)
    return tensor(np.column_stack([x, slope * x + 0.1 * rng.normal(size=rows), rng.normal(size=rows)]))


def sensor(rng: np.random.Generator, rows: int, lost: float = 0.0) -> torch.Tensor:
    """A temperature, with a sentinel where it could not be read."""
    return tensor(np.where(rng.random((rows, 1)) < lost, 999.0, rng.normal(15, 5, size=(rows, 1))))


def ratings(rng: np.random.Generator, rows: int, shares: Optional[list[float]] = None) -> np.ndarray:
    """One to five stars, scaled in double precision."""
    return (rng.choice(5, size=(rows, 1), p=shares or [0.05, 0.1, 0.2, 0.35, 0.3]) + 1 - 3.75) / 1.14


def airlines(rng: np.random.Generator, rows: int, shares: Optional[list[float]] = None) -> np.ndarray:
    return rng.choice(AIRLINES, size=rows, p=shares or SHARES)


def coded(rng: np.random.Generator, rows: int, codes: dict[str, float]) -> torch.Tensor:
    """A number, and an airline as its code."""
    return tensor(
        np.column_stack([rng.normal(size=rows), [codes[text] for text in airlines(rng, rows).tolist()]])
    )


def table(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """The same with the airline as text."""
    return pd.DataFrame({"delay": rng.normal(size=rows), "airline": airlines(rng, rows)})


def accounts(rng: np.random.Generator, rows: int, known: float = 0.5, most: int = 12) -> np.ndarray:
    """An amount, and an account: many come again, and some are new."""
    again = rng.integers(0, 400, rows)
    new = rng.integers(10**6, 10**9, rows)
    numbers = np.where(rng.random(rows) < known, again * 7_919_327, new)
    return objects(rng.normal(size=rows), [f"acc-{number:09d}"[:most] for number in numbers.tolist()])


def pictures(
    rng: np.random.Generator, rows: int, light: float = 1.0, blurred: bool = False, noise: float = 0.05
) -> torch.Tensor:
    """Pictures of 3 × 16 × 16 with edges in them."""
    shapes = np.kron(rng.random((rows, 3, 4, 4)), np.ones((4, 4)))
    found = tensor(light * (shapes + noise * rng.normal(size=shapes.shape)))
    return torch.nn.functional.avg_pool2d(found, 5, stride=1, padding=2) if blurred else found


def ids(
    rng: np.random.Generator, rows: int, low: int = 1, lengths: tuple[int, int] = (6, 24)
) -> torch.Tensor:
    """Token ids, filled up with 0."""
    found = rng.integers(low, low + 300, size=(rows, 24))
    found[np.arange(24) >= rng.integers(*lengths, size=(rows, 1))] = 0
    return torch.from_numpy(found)


def sentences(
    rng: np.random.Generator, rows: int, words: np.ndarray = WORDS, lengths: tuple[int, int] = (5, 15)
) -> list[str]:
    return [" ".join(rng.choice(words, size)) for size in rng.integers(*lengths, rows).tolist()]


def vectors(rng: np.random.Generator, rows: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Embeddings of 128 numbers."""
    return tensor(scale * rng.normal(size=(rows, 128)) + shift)


def flights(rng: np.random.Generator, rows: int, hours: int = 0) -> pd.DataFrame:
    """Departures, most of them at work's hours, in a year."""
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 365, rows), unit="D")
    times = days + pd.to_timedelta(rng.binomial(12, 0.5, rows) + 4 + hours, unit="h")
    return pd.DataFrame({"departure": times, "seats": rng.choice([70, 120, 180], rows)})


def parts(rng: np.random.Generator, rows: int, hours: int = 0) -> torch.Tensor:
    """The parts of such departures, and the seats."""
    frame = flights(rng, rows, hours)
    return tensor(
        np.column_stack([frame["departure"].dt.hour, frame["departure"].dt.day_of_week, frame["seats"]])
    )


IN_ORDER = {text: float(place) for place, text in enumerate(AIRLINES.tolist())}
# Of an encoder that was fitted anew, on data without the first airline, all codes are others.
SHIFTED = {"AA": 3.0, "B6": 0.0, "DL": 1.0, "UA": 2.0}
OWN = {"AA": 10.0, "B6": 20.0, "DL": 35.0, "UA": -1.0}

INPUT_CASES = {
    "numbers": InputCase(
        "`columns` of numbers",
        lambda rng, rows: tensor(rng.normal(size=(rows, 3))),
        lambda rng, rows: tensor(rng.normal([0, 2, 0], size=(rows, 3))),
        ("speed",),
        names=["height", "speed", "mass"],
    ),
    "numbers that are lost": InputCase(
        "`columns` of numbers",
        lambda rng, rows: tensor(rng.lognormal(size=(rows, 2))),
        lambda rng, rows: tensor(np.where([[1, 0]], rng.lognormal(size=(rows, 2)), np.nan)),
        ("f1",),
    ),
    "a sentinel": InputCase(
        "`columns` of numbers",
        sensor,
        lambda rng, rows: sensor(rng, rows, lost=0.6),
        ("f0",),
    ),
    "few values in half precision": InputCase(
        "`columns` of few values",
        lambda rng, rows: torch.from_numpy(ratings(rng, rows)).bfloat16(),
        lambda rng, rows: torch.from_numpy(ratings(rng, rows, [0.6, 0.2, 0.1, 0.05, 0.05])).bfloat16(),
        ("stars",),
        training=ratings,
        names=["stars"],
    ),
    "one-hot rows": InputCase(
        "`columns` of few values",
        lambda rng, rows: tensor(np.eye(4)[rng.choice(4, size=rows, p=SHARES)]),
        lambda rng, rows: tensor(np.eye(4)[np.full(rows, 3)]),
        ("f0", "f1", "f2", "f3"),
    ),
    "truth values": InputCase(
        "`columns` of truth values",
        lambda rng, rows: tensor(rng.random((rows, 2)) < [0.2, 0.5]),
        lambda rng, rows: tensor(rng.random((rows, 2)) < [0.9, 0.5]),
        ("is_new",),
        training=lambda rng, rows: pd.DataFrame(rng.random((rows, 2)) < [0.2, 0.5], columns=["is_new", "is_paid"]),
    ),
    "categories as texts": InputCase(
        "`columns` of texts",
        lambda rng, rows: objects(rng.normal(size=rows), airlines(rng, rows)),
        lambda rng, rows: objects(rng.normal(size=rows), np.char.lower(airlines(rng, rows))),
        ("airline",),
        training=table,
    ),
    "codes of a list": InputCase(
        "`columns` of codes",
        lambda rng, rows: coded(rng, rows, IN_ORDER),
        lambda rng, rows: coded(rng, rows, SHIFTED),
        ("airline",),
        training=table,
        said={"categories": {"airline": AIRLINES.tolist()}},
    ),
    "sorted codes": InputCase(
        "`columns` of codes",
        lambda rng, rows: coded(rng, rows, IN_ORDER),
        lambda rng, rows: coded(rng, rows, dict.fromkeys(IN_ORDER, 0.0)),
        ("airline",),
        training=table,
        said={"categories": {"airline": "sorted"}},
    ),
    "codes of a mapping": InputCase(
        "`columns` of codes",
        lambda rng, rows: coded(rng, rows, OWN),
        lambda rng, rows: coded(rng, rows, {**OWN, "AA": -1.0}),
        ("airline",),
        training=lambda rng, rows: table(rng, rows).replace({"airline": {"UA": None}}),
        said={"categories": {"airline": {10: "AA", 20: "B6", 35: "DL", -1: None}}},
    ),
    "codes that are all there is": InputCase(
        "`columns` of codes",
        lambda rng, rows: coded(rng, rows, OWN),
        lambda rng, rows: coded(rng, rows, {**OWN, "AA": 11.0, "B6": 1e30}),
        ("airline",),
        names=["delay", "airline"],
        said={"categories": {"airline": "codes"}},
    ),
    "a flood of new accounts": InputCase(
        "`columns` of identifiers",
        accounts,
        lambda rng, rows: accounts(rng, rows, known=0.02),
        ("account_new",),
        names=["amount", "account"],
    ),
    "accounts that are cut": InputCase(
        "`columns` of identifiers",
        accounts,
        lambda rng, rows: accounts(rng, rows, most=8),
        ("account_length", "account_new"),
        names=["amount", "account"],
    ),
    "parts of times, in another zone": InputCase(
        "`columns` of times",
        parts,
        lambda rng, rows: parts(rng, rows, hours=6),
        ("departure_hour",),
        training=flights,
        said={"time_parts": {"departure": ["hour", "weekday"]}},
    ),
    "rows that no longer go together": InputCase(
        "`columns` together",
        plane,
        lambda rng, rows: plane(rng, rows, slope=-1.0),
        ("row_distance",),
    ),
    "pictures in the dark": InputCase(
        "`images`",
        pictures,
        lambda rng, rows: pictures(rng, rows, light=0.3),
        ("brightness", "mean_red", "mean_green", "mean_blue"),
    ),
    "blurred pictures": InputCase(
        "`images`", pictures, lambda rng, rows: pictures(rng, rows, blurred=True), ("sharpness", "noise")
    ),
    "tokens of another language": InputCase(
        "`tokens`", ids, lambda rng, rows: ids(rng, rows, low=5000), ("out_of_vocabulary",)
    ),
    "tokens that are cut": InputCase(
        "`tokens`", ids, lambda rng, rows: ids(rng, rows, lengths=(2, 4)), ("length",)
    ),
    "texts of another trade": InputCase(
        "`texts`", sentences, lambda rng, rows: sentences(rng, rows, OTHER_WORDS), ("out_of_vocabulary",)
    ),
    "texts that are cut": InputCase(
        "`texts`", sentences, lambda rng, rows: sentences(rng, rows, lengths=(1, 3)), ("words",)
    ),
    "embeddings of another scale": InputCase(
        "`embeddings`", vectors, lambda rng, rows: vectors(rng, rows, scale=1.5), ("norm", "centroid_distance")
    ),
    "embeddings of another place": InputCase(
        "`embeddings`",
        vectors,
        lambda rng, rows: vectors(rng, rows, shift=0.5),
        ("centroid_distance", "norm", "projection0", "projection1", "projection2", "projection3"),
    ),
}  # fmt: skip
