"""What torch-model-archiver is given as --handler, for models that BaseHandler (or `base_handler`) can serve."""

try:
    import torchvitals
except ImportError as error:
    # TorchServe takes an ImportError here for a missing built-in handler and hides it (ts/model_loader.py).
    raise RuntimeError(
        f"the package torchvitals cannot be imported ({error}); pack it with --extra-files handlers, and install what "
        "handlers/requirements.txt names"
    ) from error


class MonitoredHandler(torchvitals.MonitoredHandler):
    """BaseHandler, or the handler that `base_handler` names, measured."""
