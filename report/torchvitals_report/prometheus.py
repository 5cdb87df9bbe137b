"""Asks Prometheus over its HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Optional

import httpx

from .errors import QueryError, ReportError
from .span import Span, parse_duration
from .templating import LABEL_VALUES

TIMEOUT_SECONDS = 60.0
# Prometheus' default; ours too.
SCRAPE_SECONDS = 15.0
# Threads of a report that ask at the same time; Prometheus itself answers 20 (--query.max-concurrency).
CONNECTIONS = 4

Matrix = list[dict[str, Any]]


class Prometheus:
    """One Prometheus, or what speaks its API.

    Raises ReportError where it does not answer, and QueryError where it refuses.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        if not url.startswith(("http://", "https://")):
            raise ReportError(f"'{url}' is no address of Prometheus; write it like http://127.0.0.1:9090")
        self.url = url.rstrip("/")
        # Of each answer that carried any; a query that Prometheus doubts is still answered.
        self.warnings: list[str] = []
        limits = httpx.Limits(max_connections=CONNECTIONS)
        self._client = httpx.Client(base_url=self.url, timeout=timeout, follow_redirects=True, limits=limits)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._client.close()

    def label_values(self, query: str, span: Optional[Span] = None) -> list[str]:
        """Answer Grafana's ``label_values(selector, label)``; over all time without a span."""
        match = LABEL_VALUES.match(query)
        if match is None:
            raise QueryError(f"this is no label_values query: {query}")
        params: dict[str, Any] = {"start": span.start, "end": span.end} if span else {}
        if match["selector"]:
            params["match[]"] = match["selector"]
        found: list[str] = self._get(f"/api/v1/label/{match['label']}/values", params, query)
        return found

    def instant(self, query: str, at: float) -> Matrix:
        """Evaluate at one moment, in Unix seconds; each series has its one ``value``."""
        data = self._get("/api/v1/query", {"query": query, "time": at}, query)
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        found: Matrix = data["result"]
        return found

    def ranged(self, query: str, span: Span, step: float) -> Matrix:
        """Evaluate each ``step`` seconds; each series has its ``values``."""
        params = {"query": query, "start": span.start, "end": span.end, "step": step}
        found: Matrix = self._get("/api/v1/query_range", params, query)["result"]
        return found

    def scrape_seconds(self, job: str) -> float:
        """Return the longest scrape interval of a job's targets, in seconds; 15 where Prometheus does not say.

        What speaks the API without scraping, such as Thanos or Mimir, does not.
        """
        try:
            targets = self._get("/api/v1/targets", {"state": "active"}, "targets")["activeTargets"]
        except QueryError:
            return SCRAPE_SECONDS
        intervals = [
            parse_duration(target["scrapeInterval"])
            for target in targets
            if target["labels"].get("job") == job and "scrapeInterval" in target
        ]
        return max(intervals, default=SCRAPE_SECONDS)

    def _get(self, path: str, params: Mapping[str, Any], what: str) -> Any:
        try:
            response = self._client.get(path, params=params)
        except httpx.HTTPError as error:
            raise ReportError(
                f"Prometheus at {self.url} does not answer ({str(error) or type(error).__name__}); "
                "is it running, and is --prometheus right?"
            ) from error
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "status" not in body:
            raise QueryError(
                f"{self.url} answered {response.status_code} to {path}, and not as Prometheus does; "
                "is --prometheus the address of a Prometheus?"
            )
        if body["status"] != "success":
            raise QueryError(f"Prometheus refused the query: {body.get('error')}: {what}")
        self.warnings += body.get("warnings") or []
        return body["data"]
