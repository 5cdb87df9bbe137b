"""Write the configurations of Prometheus and Alertmanager for docker-compose.yml.

They are those of prometheus/ and alertmanager/ with the addresses of the compose network, with the retraining
service, which stands there commented out, switched on, and with the address of the labels service, which a file gives
there; nothing else differs. Neither program reads variables in an address, hence files.
``python deploy/compose/render.py`` writes them; a test fails when they differ from their sources.
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
        "127.0.0.1:9095": "retraining:9095",
    },
    "alertmanager/alertmanager.yml": {"127.0.0.1:9099": "receiver:9099"},
}
# By source: the line after which the retraining service stands commented out.
RETRAINING = {
    "prometheus/prometheus.yml": "  # The retraining service, where you run it (docs/retraining.md).\n",
    "alertmanager/alertmanager.yml": "  - name: retraining\n",
}
# By source: what else differs, each once there.
WORDS = {
    "prometheus/prometheus.yml": {
        "  # The retraining service, where you run it (docs/retraining.md).\n": "",
        "  # The labels service, where you run it: labels.yml beside this file says where, and without that file "
        "nothing is scraped.\n  # It needs one line: - targets: [HOST:9096]\n": "",
        "    file_sd_configs:\n      - files: [labels.yml]\n": (
            '    static_configs:\n      - targets: ["labels:9096"]\n'
        ),
    },
    "alertmanager/alertmanager.yml": {
        "# Nobody, until you run the service in retraining/ (docs/retraining.md).": (
            "# It starts nothing until its own configuration says so (docs/docker.md)."
        ),
        "retraining.example.org:9095": "retraining:9095",
        "/etc/alertmanager/secrets/retraining-token": "/run/retraining/token",
    },
}
OFF = re.compile(r"^( *)#: ", re.MULTILINE)


def render(source: str) -> str:
    """Return the text of ``source`` for the compose network.

    Raises ValueError when its loopback addresses, or the words to change, are not those that this file knows.
    """
    text = (ROOT / source).read_text()
    found, known = set(re.findall(r"(?:127\.0\.0\.1|localhost):\d+", text)), ADDRESSES[source]
    if found != set(known):
        raise ValueError(
            f"{source} has the addresses {sorted(found)}, but deploy/compose/render.py knows {sorted(known)}; "
            "change ADDRESSES there"
        )
    text = switched_on(text, after=RETRAINING[source], source=source)
    for address, target in known.items():
        text = text.replace(address, target)
    for word, other in WORDS[source].items():
        _expect_once(text, word, source)
        text = text.replace(word, other)
    return f"# Generated from {source} by deploy/compose/render.py; change that file.\n{text}"


def switched_on(text: str, *, after: str, source: str) -> str:
    """Return ``text`` with the block right after a line no longer commented out; raise ValueError without one."""
    _expect_once(text, after, source)
    before, _, rest = text.partition(after)
    lines = rest.splitlines(keepends=True)
    count = next((index for index, line in enumerate(lines) if not OFF.match(line)), len(lines))
    if count == 0:
        raise ValueError(f"{source}: nothing is commented out with '#: ' right after {after.strip()!r}")
    return before + after + OFF.sub(r"\1", "".join(lines[:count])) + "".join(lines[count:])


def _expect_once(text: str, word: str, source: str) -> None:
    if text.count(word) != 1:
        raise ValueError(
            f"{source} has {word.strip()!r} {text.count(word)} times, not once; change deploy/compose/render.py"
        )


def main() -> None:
    """Write each rendered file beside this one."""
    for source in ADDRESSES:
        (FOLDER / Path(source).name).write_text(render(source))


if __name__ == "__main__":
    main()
