"""What is shipped beside the package: rules, routes, dashboards, settings; in a clone around it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_WHEEL = _PACKAGE / "shipped"


def shipped(name: str) -> Path:
    """Return a file or folder that is shipped, by its path in the repository, such as alertmanager/alertmanager.yml.

    Raises FileNotFoundError where the installation lacks it.
    """
    for folder in (_IN_WHEEL, _PACKAGE.parents[1]):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"'{name}' is missing beside {_PACKAGE}; install torchvitals again")


def package() -> Path:
    """Return the folder of the package itself."""
    return _PACKAGE
