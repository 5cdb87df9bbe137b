"""The flight delay model under other servers than TorchServe."""
