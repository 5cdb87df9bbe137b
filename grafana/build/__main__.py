"""``python -m grafana.build`` writes the dashboards; with ``--check`` it only compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grafana.build import FOLDER, IMPORTABLE, PACKAGED, ROOT, generate


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(root: Path = ROOT) -> int:
    """Write the dashboards, or compare them. Returns the exit status: 1 when a committed file differs."""
    parser = argparse.ArgumentParser(
        prog="python -m grafana.build", description="Generate the Grafana dashboards."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a generated file differs"
    )
    check = parser.parse_args().check

    files = generate(root)
    present = {
        path: path.read_text(encoding="utf-8")
        for folder in (FOLDER, IMPORTABLE, PACKAGED)
        for path in (root / folder.relative_to(ROOT)).glob("*.json")
    }
    differing = sorted(path for path in {*files, *present} if files.get(path) != present.get(path))
    for path in differing:
        name = path.relative_to(root)
        if check:
            _say(f"{name} differs from its source; run 'python -m grafana.build'")
        elif path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
            _say(f"wrote {name}")
        else:
            path.unlink()
            _say(f"removed {name}")
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
