"""What an adapter is named by."""

from dataclasses import dataclass


@dataclass
class LoRAModulePath:
    name: str
    local_path: str
