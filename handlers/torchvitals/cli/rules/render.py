"""Prometheus's rules, from their templates: which labels tell environments apart, and under which job servers are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...errors import ConfigurationError

TEMPLATES = Path(__file__).with_name("templates")
# Each file by its template.
FILES = {"rules.yml": "recording.yml.j2", "alerts.yml": "alerts.yml.j2"}
# What tells clusters and environments apart. A label that nobody sets is no label: it changes nothing.
LABELS = ("cluster", "namespace", "env")
TORCHSERVE_JOB = "torchserve"
# Environments whose models may be retrained; the empty one is where nobody sets the label.
PRODUCTION = "|prod|production"
# Labels of the rules' own, which mean something else.
TAKEN = frozenset(
    (
        "job",
        "instance",
        "model_name",
        "model_version",
        "worker",
        "Hostname",
        "source",
        "feature",
        "window",
        "severity",
    )
)


def rendered(
    *,
    labels: Sequence[str] = LABELS,
    job: str = TORCHSERVE_JOB,
    production: str = PRODUCTION,
) -> dict[str, str]:
    """Return the rules' files by name.

    Args:
        labels: of the scrape configuration, that keep what has the same name elsewhere apart: every join and every sum
            carries them.
        job: the jobs under which TorchServe is scraped, as a regular expression.
        production: values of the label `env` of models that may be retrained, as a regular expression.

    Raises:
        ConfigurationError: a label that Prometheus does not allow, or that the rules use for something else.
    """
    for label in labels:
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label) or label in TAKEN:
            raise ConfigurationError(
                f"label {label!r}: give the name of a label of the scrape configuration, letters, digits and _, and "
                f"none of {', '.join(sorted(TAKEN))}"
            )
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (rules are no HTML)
    )
    plain = re.fullmatch(r"[\w-]+", job) is not None
    joined = "".join(f"{label}, " for label in labels)
    values = {
        "labels": joined,
        "of_fresh_workers": (
            f"and on ({joined}job, instance, model_name, model_version, worker) worker:model_monitor:fresh == 1"
        ),
        "matchers": "".join(f"{label}=%q, " for label in labels),
        "values": "".join(f"$labels.{label} " for label in labels),
        "job": job,
        "torchserve": f'job="{job}"' if plain else f'job=~"{job}"',
        "other_jobs": f'job!="{job}"' if plain else f'job!~"{job}"',
        "production": f'env=~"{production}"' if "env" in labels else "",
    }
    return {name: environment.get_template(template).render(values) for name, template in FILES.items()}
