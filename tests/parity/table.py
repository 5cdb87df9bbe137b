"""The table of styles, printed at the end of a run."""

from __future__ import annotations

from typing import Any

PROPERTY = "parity"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was served, compared, counted and seen; nothing where no style was."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    rows = [
        dict(value)
        for report in reports
        if getattr(report, "when", None) == "call"
        for key, value in report.user_properties
        if key == PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("parity: styles served plain and monitored")
    columns = list(rows[0])
    texts = [columns, *([str(row[column]) for column in columns] for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(columns))]
    for row in texts:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    terminalreporter.write_line(f"{len(rows)} styles, {sum(row['replies'] for row in rows)} replies compared")
