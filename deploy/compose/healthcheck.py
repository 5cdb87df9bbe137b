"""Health check of the TorchServe container: ends with status 0 while the server, and all its workers, are well.

/ping says whether every model has its workers. It asks for the inference key while token authorization is on, and
TorchServe lets a key expire (after an hour by default). With an expired key nobody outside can ask either, but the
server still serves those who renewed theirs elsewhere; then the check is that it answers on the metrics port.
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.request import Request, urlopen

PING = "http://127.0.0.1:8080/ping"
METRICS = "http://127.0.0.1:8082/metrics"
TIMEOUT_SECONDS = 4.0


def request() -> Request:
    """Return what to ask, with the key from the file that TorchServe keeps in its folder."""
    file = Path("key_file.json")
    if not file.exists():  # token authorization is off
        return Request(PING)
    key = json.loads(file.read_text())["inference"]
    until = datetime.strptime(key["expiration time"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    if until <= datetime.now(timezone.utc):
        return Request(METRICS)
    return Request(PING, headers={"Authorization": f"Bearer {key['key']}"})


def main() -> None:
    """Ask once; where the answer is not well, end with status 1 and say what it was."""
    try:
        urlopen(request(), timeout=TIMEOUT_SECONDS).close()  # noqa: S310  both addresses are constants
    except OSError as error:  # refused, too slow, or answered with an error (URLError, HTTPError)
        sys.exit(str(error))


if __name__ == "__main__":
    main()
