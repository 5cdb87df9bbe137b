"""Measuring in a process of its own, which has imported nothing but what is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.drift.environments import SETTINGS
from benchmarks.machine import ROOT


class MeasuringError(Exception):
    """A process that measures failed; the message has the end of what it said."""


def run(arguments: list[str], *, python: str = sys.executable) -> str:
    """Run Python with these arguments in the project's folder, with one thread; return what it prints.

    Raises MeasuringError.
    """
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, env={**os.environ, **SETTINGS}, cwd=ROOT
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-3000:]
        raise MeasuringError(f"{' '.join(arguments)} ended with {done.returncode}:\n{said}")
    return done.stdout


def measured(module: str, *arguments: str, python: str = sys.executable) -> Any:
    """Return what a module of this package prints in its last line, which is JSON. Raises MeasuringError."""
    return json.loads(run(["-m", f"benchmarks.hotpath.{module}", *arguments], python=python).splitlines()[-1])
