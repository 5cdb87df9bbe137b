"""Baselines of the models in models/, on data that are made here."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from torchvitals import Baseline, Features

WEIGHTS = np.array([[1, 0, 2, 0], [0, 1, 0, -1], [2, 0, -1, 1]], dtype=np.float32)


@functools.cache
def numbers() -> Baseline:
    """Four whole numbers a row, and three scores: what numbers_model.py makes of them."""
    rows = np.random.default_rng(3).integers(-4, 5, size=(2000, 4)).astype(np.float32)
    return Baseline.fit(rows, outputs=rows @ WEIGHTS.T, name="numbers")


@functools.cache
def inputs_only() -> Baseline:
    """The same rows, without what a model makes of them."""
    rows = np.random.default_rng(3).integers(-4, 5, size=(2000, 4)).astype(np.float32)
    return Baseline.fit(rows, name="numbers")


@functools.cache
def images() -> Baseline:
    """Images of 3 × 224 × 224, and scores of 1,000 classes."""
    rng = np.random.default_rng(5)
    pictures = rng.normal(size=(64, 3, 224, 224)).astype(np.float32)
    return Baseline.fit(pictures, outputs=rng.normal(size=(64, 1000)), name="images")


@functools.cache
def images_only() -> Baseline:
    """Such images, without what a model makes of them."""
    pictures = np.random.default_rng(5).normal(size=(64, 3, 224, 224)).astype(np.float32)
    return Baseline.fit(pictures, name="images")


@functools.cache
def tokens() -> Baseline:
    """Token ids, and scores of four classes."""
    rng = np.random.default_rng(7)
    return Baseline.fit(rng.integers(1, 40, size=(500, 16)), outputs=rng.normal(size=(500, 4)), name="tokens")


@functools.cache
def carriers() -> Baseline:
    """A carrier as text, which is served as its code, and a delay; and three scores."""
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"carrier": rng.choice(["AA", "B6", "UA"], 2000), "delay": rng.normal(size=2000)})
    features = Features(categories={"carrier": "sorted"})
    return Baseline.fit(frame, outputs=rng.normal(size=(2000, 3)), features=features, name="carriers")


@functools.cache
def accounts() -> Baseline:
    """An account, which tells rows apart, and an amount; and three scores."""
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"account": [f"acc-{row}" for row in range(2000)], "amount": rng.normal(size=2000)})
    return Baseline.fit(frame, outputs=rng.normal(size=(2000, 3)), name="accounts")
