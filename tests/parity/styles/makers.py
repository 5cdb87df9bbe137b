"""Models that are serialized into a file: what writes each into a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from ..models.numbers_model import Numbers


def scripted(folder: Path) -> Path:
    """Write a TorchScript model."""
    path = folder / "model.pt"
    torch.jit.script(Numbers().eval()).save(str(path))
    return path


def exported(folder: Path) -> Path:
    """Write an exported program whose batch may be of any size."""
    path = folder / "model.pt2"
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(Numbers().eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


def onnx(folder: Path) -> Path:
    """Write the same as an ONNX graph."""
    from onnx import TensorProto, checker, helper, save

    weights = Numbers().scores.weight.detach().T.contiguous()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "weights"], ["scores"])],
        "numbers",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.flatten().tolist())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    path = folder / "model.onnx"
    save(model, str(path))
    return path
