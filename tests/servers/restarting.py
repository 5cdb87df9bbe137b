"""``python -m tests.servers.restarting PORT``: two models under one LitServe that starts dead workers anew."""

from __future__ import annotations

import os
import sys

from litserve import LitServer

from tests.servers.apis import Rows
from torchvitals import MonitoringConfig
from torchvitals.servers.litserve import MonitoringCallback


class Mortal(Rows):
    """Says which process answers."""

    def encode_response(self, scores):
        return {"worker": os.getpid()}


def main() -> None:
    config = MonitoringConfig(flush_interval=0.2)
    callbacks = [
        MonitoringCallback(model_name=name, model_version="1", config=config, api_path=f"/{name}")
        for name in ("a", "b")
    ]
    server = LitServer(
        [Mortal(api_path="/a"), Mortal(api_path="/b")],
        accelerator="cpu",
        restart_workers=True,
        callbacks=callbacks,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=2, generate_client_file=False)


if __name__ == "__main__":
    main()
