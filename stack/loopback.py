"""The client for requests on this machine."""

from __future__ import annotations

import httpx

# One for all: to make one takes 45 ms of CPU time, for the certificates of HTTPS. Each request has a connection of its
# own, as what answers may have been started anew.
http = httpx.Client(trust_env=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
