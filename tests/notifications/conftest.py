"""Endpoints on loopback, a test each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .mailbox import Mailbox
from .webhooks import Webhooks


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as running:
        yield running


@pytest.fixture
def webhooks() -> Iterator[Webhooks]:
    with Webhooks() as running:
        yield running
