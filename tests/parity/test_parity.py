"""Every style is served plain and monitored by one TorchServe: the same replies, and every request counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from stack.waiting import PATIENCE_SECONDS

from . import judging
from .judging import Outcome
from .packing import write_baselines
from .serving import Server, Warm
from .style import Style
from .styles import STYLES
from .table import PROPERTY

pytestmark = pytest.mark.server
# Styles that are served at a time, each with two workers or more.
AT_A_TIME = 4


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Outcome]]]:
    """What comes of each style that is tested, by name; while one is looked at, the next are served."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    styles = [style for style in STYLES if style.name in wanted]
    folder = Path(tmp_path_factory.mktemp("parity"))
    store = folder / "store"
    store.mkdir()
    with ExitStack() as opened:
        warm = opened.enter_context(Warm())
        envelopes = list(dict.fromkeys(style.envelope for style in styles))
        servers = {envelope: Server(folder, store, warm, envelope) for envelope in envelopes}
        opened.callback(beside_each_other, [server.stop for server in servers.values()])
        beside_each_other([server.start for server in servers.values()])
        write_baselines(styles, store)
        warm.wait_ready()
        for server in servers.values():
            server.stack.wait_ready(PATIENCE_SECONDS)
        # TorchServe interrupts a thread that it has given to another asynchronous worker by then when it ends one.
        alone, threads = (opened.enter_context(ThreadPoolExecutor(size)) for size in (1, AT_A_TIME))
        try:
            yield {
                style.name: (alone if style.asynchronous else threads).submit(
                    judging.serve, servers[style.envelope], style
                )
                for style in styles
            }
        finally:
            alone.shutdown(cancel_futures=True)
            threads.shutdown(cancel_futures=True)


def beside_each_other(calls: list[Callable[[], object]]) -> None:
    """Make calls, each in a thread of its own."""
    with ThreadPoolExecutor(max(len(calls), 1)) as threads:
        for future in [threads.submit(call) for call in calls]:
            future.result()


def parameter(style: Style) -> object:
    """Return a style as a parameter; one that does not hold yet must fail, and says why it does."""
    marks = [pytest.mark.xfail(reason=style.lacks, strict=True)] if style.lacks else []
    return pytest.param(style.name, id=style.name, marks=marks)


@pytest.mark.parametrize("name", list(map(parameter, STYLES)))
def test_a_style_is_served_the_same_and_counted(
    name: str, outcomes: dict[str, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    outcome = outcomes[name].result()
    request.node.user_properties.append((PROPERTY, outcome.row()))
    assert not outcome.problems, "\n".join(outcome.problems)


def test_names_are_unique() -> None:
    names = [style.name for style in STYLES]
    assert len(set(names)) == len(names)
    assert len(names) >= 40
