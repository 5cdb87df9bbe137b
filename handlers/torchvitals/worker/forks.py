"""What is to happen in a forked process, where only the thread that forked goes on."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has threads, locks, or something that waits; all of that stays with the parent."""

    def forked(self) -> None:
        """Begin anew, in the child. Must not raise."""


_known: weakref.WeakSet[Forkable] = weakref.WeakSet()


def renew_in_forks(one: Forkable) -> None:
    """Call `one.forked()` in every process forked from this one while `one` lives."""
    _known.add(one)


def _renew() -> None:
    for one in list(_known):
        one.forked()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew)
