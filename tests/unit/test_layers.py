"""The architecture beyond import-linter: no import is hidden, and the root has no modules of its own."""

import ast
from pathlib import Path

import pytest

import torchvitals

PACKAGE = Path(torchvitals.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = {
    "accuracy", "baseline", "cli", "drift", "featurizers", "publishers", "recording", "servers", "telemetry",
    "training", "worker",
}  # fmt: skip


def imports_of_our_own(node):
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").split(".")[0] == "torchvitals"
    if isinstance(node, ast.Import):
        return any(name.name.split(".")[0] == "torchvitals" for name in node.names)
    return False


def hidden_imports(source):
    """Return the lines of imports of our own that are not at the top level of a module, or for type checkers alone."""
    tree = ast.parse(source)
    top = set(map(id, tree.body))
    return [node.lineno for node in ast.walk(tree) if imports_of_our_own(node) and id(node) not in top]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_hides_an_import_of_our_own(path):
    assert hidden_imports(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("from .baseline import Baseline\n", []),
        ("def f():\n    import numpy\n", []),
        ("def f():\n    from .baseline import Baseline\n", [2]),
        ("def f():\n    from torchvitals.baseline import Baseline\n", [2]),
        ("def f():\n    import torchvitals.baseline\n", [2]),
        ("if TYPE_CHECKING:\n    from ..drift import x\n", [2]),
        ("class A:\n    from . import x\n", [2]),
    ],
)
def test_hidden_imports_are_found(source, lines):
    assert hidden_imports(source) == lines


def test_the_root_has_folders_and_what_belongs_to_all_of_them():
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == {"__init__", "__main__", "_version", "config", "errors"}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == FOLDERS


def test_unit_tests_mirror_the_folders():
    beside = Path(__file__).parent
    have = {path.name for path in beside.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert have == FOLDERS
