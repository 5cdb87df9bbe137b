"""The service as a process."""

from __future__ import annotations

import logging

import uvicorn

from .database import store_url
from .service import Settings, application


def run(settings: Settings, *, host: str, port: int) -> None:
    """Serve until the process is told to end; a store that is down is waited for.

    Raises StoreError where its address is none.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    store_url(settings.store)
    uvicorn.run(
        application(settings), host=host, port=port, access_log=False, log_config=None, server_header=False
    )
