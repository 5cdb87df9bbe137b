"""Workers that need not import torch: each is forked from a process that has.

A worker of TorchServe takes some three seconds of a core before it listens, nearly all of them to import torch and
SciPy. TorchServe starts `worker.py` here as its Python; that asks `parent.py` for a fork of itself, which runs
TorchServe's own ts/model_service_worker.py with the arguments, the environment, the folder and the output that
TorchServe gave. What a worker does from there on is the same.
"""
