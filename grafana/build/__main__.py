"""``python -m grafana.build`` writes the dashboards; with ``--check`` it only compares them."""

from __future__ import annotations

import argparse
import sys

from grafana.build import FOLDER, generate


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Write the dashboards, or compare them. Returns the exit status: 1 when a committed file differs."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.build", description="Generate the Grafana dashboards."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file in grafana/dashboards differs"
    )
    check = parser.parse_args().check

    files = generate()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    differing = sorted(name for name in {*files, *present} if files.get(name) != present.get(name))
    if check:
        for name in differing:
            _say(f"grafana/dashboards/{name} differs from its source; run 'python -m grafana.build'")
        return 1 if differing else 0

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in differing:
        if name in files:
            (FOLDER / name).write_text(files[name], encoding="utf-8")
            _say(f"wrote grafana/dashboards/{name}")
        else:
            (FOLDER / name).unlink()
            _say(f"removed grafana/dashboards/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
