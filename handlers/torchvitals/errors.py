"""Errors that a user can fix, and how text of a user's stands in a message."""

from __future__ import annotations

import re
from typing import Any

# Whatever a terminal, a log or a reader of lines takes for something else than text (str.splitlines has most of them).
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# Of an error's text, in characters.
LONGEST = 4_000


def one_line(text: str) -> str:
    r"""Return a text on one line, with escapes in the place of line breaks and other control characters.

    A line of its own could begin with ``[METRICS]``, which TorchServe's front end reads as a metric
    (frontend: wlm/WorkerLifeCycle.java, METRIC_PATTERN).

    >>> print(one_line("a\nb"))
    a\nb
    """
    return CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class TorchVitalsError(RuntimeError):
    """Base of all our errors; its text is one line of a bounded length, whatever names it quotes.

    A ``RuntimeError``, because TorchServe answers one at load with its message in the log, where other
    errors end the worker without an answer to the front end (ts/model_service_worker.py: load_model).
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*(_bounded(one_line(part)) if isinstance(part, str) else part for part in args))


def _bounded(text: str) -> str:
    """Return a text whose middle is left out where it is long: its end says how to fix it."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST * 3 // 4]} ... {text[-LONGEST // 5 :]}"


class ConfigurationError(TorchVitalsError):
    """The monitoring configuration is wrong; names the file, the field and how to fix it."""


class BaselineError(TorchVitalsError):
    """A baseline is missing, damaged, or does not fit; names the file, the field and how to fix it."""
