"""`torchvitals package` and `torchvitals check`: model archives, before they are served."""
