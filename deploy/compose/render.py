"""Write the configurations of Prometheus and Alertmanager for docker-compose.yml.

They are those of prometheus/ and alertmanager/ with the addresses of the compose network, and nothing else
differs. Neither program reads variables in an address, hence files. ``python deploy/compose/render.py`` writes
them; a test fails when they differ from their sources.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent

# By source: loopback address there, address in the compose network.
ADDRESSES = {
    "prometheus/prometheus.yml": {
        "127.0.0.1:8082": "torchserve:8082",
        "127.0.0.1:9090": "127.0.0.1:9090",
        "127.0.0.1:9093": "alertmanager:9093",
    },
    "alertmanager/alertmanager.yml": {"127.0.0.1:9099": "receiver:9099"},
}


def render(source: str) -> str:
    """Return the text of ``source`` for the compose network.

    Raises ValueError when its loopback addresses are not those that ``ADDRESSES`` knows.
    """
    text = (ROOT / source).read_text()
    found, known = set(re.findall(r"(?:127\.0\.0\.1|localhost):\d+", text)), ADDRESSES[source]
    if found != set(known):
        raise ValueError(
            f"{source} has the addresses {sorted(found)}, but deploy/compose/render.py knows {sorted(known)}; "
            "change ADDRESSES there"
        )
    for address, target in known.items():
        text = text.replace(address, target)
    return f"# Generated from {source} by deploy/compose/render.py; change that file.\n{text}"


def main() -> None:
    """Write each rendered file beside this one."""
    for source in ADDRESSES:
        (FOLDER / Path(source).name).write_text(render(source))


if __name__ == "__main__":
    main()
