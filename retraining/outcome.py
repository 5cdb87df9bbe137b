"""How one try of an action ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["succeeded", "rejected", "failed", "timed_out", "interrupted"]


@dataclass(frozen=True)
class Outcome:
    """State, and what a person should know of it.

    succeeded: done. rejected: done, and the action itself says that its result is not to be used. failed, timed_out:
    tried again where tries are left and ``again`` is true. interrupted: how it ended is not known.
    effect_known: false where the try may have taken effect although no answer says so.
    """

    state: State
    detail: str = ""
    again: bool = True
    effect_known: bool = True
