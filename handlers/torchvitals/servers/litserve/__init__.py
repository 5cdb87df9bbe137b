"""LitServe: a callback that watches the workers of a server, and a metrics page on the server itself."""

from .callback import MonitoringCallback as MonitoringCallback
