"""``python -m tests.servers.named PORT FOLDER``: LitAPIs that say ids of predictions, one by one and in batches."""

from __future__ import annotations

import sys

import numpy as np
from litserve import LitServer

from tests.servers.apis import CLASSES, FEATURES, Rows
from torchvitals import Baseline, GroundTruth, MonitoringConfig
from torchvitals.servers.litserve import MonitoringCallback


class Named(Rows):
    """Says the id that a request has as `say`, and its `segment`."""

    def decode_request(self, request):
        if "say" in request:
            self.predictions.id(request["say"], segment=request.get("segment", ""))
        return super().decode_request(request)


def main() -> None:
    rng = np.random.default_rng(5)
    outputs = rng.normal(size=(2000, CLASSES))
    baseline = Baseline.fit(rng.normal(size=(2000, FEATURES)), outputs=outputs, name="rows")
    config = MonitoringConfig(flush_interval=0.2, ground_truth=GroundTruth(directory=sys.argv[2]))
    apis = [Named(api_path="/one"), Named(api_path="/batch", max_batch_size=4, batch_timeout=0.2)]
    callbacks = [
        MonitoringCallback(baseline, model_name=path[1:], model_version="1", config=config, api_path=path)
        for path in ("/one", "/batch")
    ]
    server = LitServer(apis, accelerator="cpu", workers_per_device=2, callbacks=callbacks)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)


if __name__ == "__main__":
    main()
