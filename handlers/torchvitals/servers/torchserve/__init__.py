"""TorchServe: the handler, and the line that its worker logs for each request."""
