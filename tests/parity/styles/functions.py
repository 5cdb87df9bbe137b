"""Handlers that are served as they are, by `base_handler`: modules with functions, and classes of any kind."""

from __future__ import annotations

from ..sending import ROWS, each
from ..style import Seen, Style, existing
from .makers import scripted

STYLES = (
    Style("existing-class", existing("existing_class", "class Handler(Numbers):\n    pass\n"), each(*ROWS)),
    Style(
        "existing-class-py", existing("existing_file.py", "class Handler(Numbers):\n    pass\n"), each(*ROWS)
    ),
    Style(
        "module-function",
        existing("module_function", "module_function.py"),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "named-function",
        existing("named_function:predict", "named_function.py"),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "function-beside-a-class",
        existing("function_beside_a_class", "function_beside_a_class.py"),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "function-without-a-model",
        existing(
            "function_without_a_model",
            """
def handle(data, context):
    return None if data is None else ["ready"] * len(data)
""",
        ),
        each(*ROWS),
        sees=Seen(
            stages=(), inputs=0, outputs=0, unseen=dict.fromkeys(("stage", "inputs", "outputs"), len(ROWS))
        ),
        model=None,
    ),
    Style(
        "class-without-initialized",
        existing("class_without_initialized", "class_without_initialized.py"),
        each(*ROWS),
    ),
    Style(
        "class-of-no-base",
        existing("class_of_no_base", "class_of_no_base.py"),
        each(*ROWS),
        sees=Seen(stages=("inference",)),
    ),
    Style(
        "base-handler-of-torchserve",
        existing("base_handler"),
        each(*([float(number) for number in row] for row in ROWS)),
        envelope="body",
        model=scripted,
    ),
)
