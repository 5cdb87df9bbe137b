"""PyTorch's own counter of compiled graphs, also while another thread imports the compiler."""

import sys
import types

import pytest

from torchvitals.recording.compilation import compiled_graphs

MODULE = "torch._dynamo.utils"


@pytest.mark.parametrize(
    ("attributes", "graphs"),
    [
        (None, 0),
        ({}, 0),  # half imported
        ({"counters": {}}, 0),
        ({"counters": {"stats": {}}}, 0),
        ({"counters": {"stats": {"calls_captured": 7}}}, 0),
        ({"counters": {"stats": {"unique_graphs": 3}}}, 3),
    ],
)
def test_it_is_read_without_importing_the_compiler(monkeypatch, attributes, graphs):
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    if attributes is not None:
        module = types.ModuleType(MODULE)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, MODULE, module)
    assert compiled_graphs() == graphs
