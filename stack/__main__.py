"""Run the stack until Ctrl-C: ``python -m stack``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .errors import StackError
from .ports import Ports
from .programs import ROOT
from .runner import Stack, stop_on_terminate


def main(arguments: list[str] | None = None) -> int:
    """Start, print the addresses, wait; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}", description="Run the whole stack until Ctrl-C."
    )
    parser.add_argument(
        "models", nargs="*", help="archives in the model store, NAME=FILE or FILE.mar (default: all in it)"
    )
    parser.add_argument(
        "--model-store", type=Path, default=ROOT / "model-store", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--run-dir", type=Path, default=ROOT / ".run" / "stack", help="(default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, help="of each model (default: %(default)s)")
    parser.add_argument("--scrape-interval", help="such as 1s (default: as in production)")
    parser.add_argument("--ready-timeout", type=float, default=180, help="seconds (default: %(default)g)")
    options = parser.parse_args(arguments)
    models = options.models or sorted(path.name for path in options.model_store.glob("*.mar"))
    usual = Ports()
    taken = usual.taken
    stop_on_terminate()
    try:
        with Stack(
            options.run_dir,
            model_store=options.model_store,
            models=dict(_named(model) for model in models),
            workers=options.workers,
            scrape_interval=options.scrape_interval,
            ports=Ports.free() if taken else usual,
        ) as stack:
            if taken:
                _say(f"Of the usual ports, {', '.join(map(str, taken))} are in use, so others are taken.")
            for notice in stack.notices:
                _say(notice)
            stack.wait_ready(options.ready_timeout)
            for name, address in _addresses(stack):
                _say(f"{name:<14} {address}")
            _say(f"{'Logs':<14} {stack.logs}")
            _say("Ctrl-C ends everything.")
            while True:
                stack.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 0
    except StackError as error:
        sys.stderr.write(f"stack: {error}\n")
        return 1


def _named(model: str) -> tuple[str, str]:
    name, equals, archive = model.partition("=")
    return (name, archive) if equals else (Path(model).stem, model)


def _addresses(stack: Stack) -> list[tuple[str, str]]:
    found = [
        ("Predictions", f"{stack.inference_url}/predictions/"),
        ("Management", stack.management_url),
        ("Metrics", f"{stack.metrics_url}/metrics"),
        ("Prometheus", stack.prometheus_url),
        ("Alertmanager", stack.alertmanager_url),
        ("Notifications", stack.receiver_url),
    ]
    return [*found, ("Grafana", stack.grafana_url)] if stack.grafana_url else found


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
