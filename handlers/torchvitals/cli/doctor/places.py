"""Where the parts of a stack are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional
from urllib.parse import urlsplit

from ...errors import TorchVitalsError
from ..merging.config_properties import settings

KEY_FILE = "key_file.json"
CONFIG = "config.properties"


@dataclass(frozen=True)
class Places:
    """Addresses, and a folder of TorchServe's where one is given. in_container: whether TorchServe runs in one."""

    inference: str = "http://127.0.0.1:8080"
    management: str = "http://127.0.0.1:8081"
    metrics: str = "http://127.0.0.1:8082"
    prometheus: str = "http://127.0.0.1:9090"
    alertmanager: str = "http://127.0.0.1:9093"
    grafana: Optional[str] = None
    folder: Optional[Path] = None
    in_container: bool = False
    inference_token: Optional[str] = None
    management_token: Optional[str] = None

    @property
    def logs(self) -> Optional[Path]:
        """The folder of TorchServe's logs, where it is known."""
        if self.folder is None:
            return None
        return self.folder / "logs" if (self.folder / "logs").is_dir() else self.folder

    def of(self, target: Optional[str]) -> Places:
        """Return the places that a target names: TorchServe's inference address, or a folder of its files."""
        if target is None:
            return self
        if target.startswith(("http://", "https://")):
            parts = urlsplit(target)
            host = f"{parts.scheme}://{parts.hostname}"
            return replace(
                self, inference=target.rstrip("/"), management=f"{host}:8081", metrics=f"{host}:8082"
            )
        folder = Path(target)
        if not folder.is_dir():
            raise TorchVitalsError(
                f"'{target}' is neither an address such as http://127.0.0.1:8080 nor a folder; "
                "name the folder with TorchServe's config.properties and logs"
            )
        found = configured(folder)
        return replace(
            self,
            folder=folder,
            inference=reachable(found.get("inference_address", self.inference)),
            management=reachable(found.get("management_address", self.management)),
            metrics=reachable(found.get("metrics_address", self.metrics)),
        )

    def at(self, *, management: Optional[str], metrics: Optional[str]) -> Places:
        """Return the places with other addresses of TorchServe's, where they are given."""
        return replace(
            self,
            management=(management or self.management).rstrip("/"),
            metrics=(metrics or self.metrics).rstrip("/"),
        )

    def with_tokens(self, file: Optional[Path]) -> Places:
        """Return the places with TorchServe's tokens, of a file or of the folder's key_file.json."""
        if file is None and self.folder is not None and (self.folder / KEY_FILE).is_file():
            file = self.folder / KEY_FILE
        if file is None:
            return self
        try:
            text = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise TorchVitalsError(f"--token-file {file}: {error.strerror}") from error
        if not text.startswith("{"):
            return replace(self, inference_token=text, management_token=text)
        try:
            keys = {name: str(entry["key"]) for name, entry in json.loads(text).items()}
        except (ValueError, TypeError, KeyError) as error:
            raise TorchVitalsError(
                f"--token-file {file}: not TorchServe's key_file.json, nor a token alone"
            ) from error
        return replace(self, inference_token=keys.get("inference"), management_token=keys.get("management"))


def configured(folder: Path) -> dict[str, str]:
    """Return the settings of a folder's config.properties; none where there is no such file."""
    file = folder / CONFIG
    return settings(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else {}


def reachable(address: str) -> str:
    """Return an address to ask for one to listen on."""
    return address.rstrip("/").replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//127.0.0.1")
