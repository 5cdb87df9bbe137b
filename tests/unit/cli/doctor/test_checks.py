"""Checks of what no server here has: old versions, masked errors; and how pages, logs and tokens are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torchvitals.cli.doctor.logs import load_error
from torchvitals.cli.doctor.metrics import torch_version
from torchvitals.cli.doctor.page import Page
from torchvitals.cli.doctor.places import Places
from torchvitals.cli.doctor.torchserve import unsupported
from torchvitals.errors import TorchVitalsError

INFO = 'model_runtime_info{{model_name="a",worker="9000",torch_version="{version}",}} {value}\n'


@pytest.mark.parametrize(
    ("version", "value", "found"), [("2.3.1+cu121", 1, 1), ("2.3.1", 0, 0), ("2.13.0", 1, 0)]
)
def test_an_old_torch_is_named(version: str, value: int, found: int) -> None:
    findings = torch_version(Page.read(INFO.format(version=version, value=value)))
    assert [finding.problem for finding in findings] == [
        f"workers run torch {version}; 2.4 is the oldest that is supported"
    ] * found


def test_another_torchserve_is_named() -> None:
    assert unsupported('{"info": {"title": "TorchServe APIs", "version": "0.12.0"}}') == []
    (finding,) = unsupported('{"info": {"title": "TorchServe APIs", "version": "0.9.0"}}')
    assert finding.problem == "TorchServe is 0.9.0; 0.12 is supported"


def test_a_page_is_read() -> None:
    text = '# HELP a_total b\n# TYPE a_total counter\n# TYPE b gauge\nb{x="1, \\"2\\"",y="",} 1.5e3\nc NaN\n'
    page = Page.read(text)
    assert page.names == {"a_total", "b", "c"}
    assert list(page.of("b")) == [({"x": '1, \\"2\\"', "y": ""}, 1500.0)]


LOG = """\
2026-01-01T00:00:00,000 [INFO ] W-9000-fraud_1.0-stdout MODEL_LOG - ImportError: libGL.so.1: cannot open
2026-01-01T00:00:00,001 [INFO ] W-9000-fraud_1.0-stdout MODEL_LOG - During handling of the above exception
2026-01-01T00:00:00,002 [INFO ] W-9000-fraud_1.0-stdout MODEL_LOG - {mask}
2026-01-01T00:00:00,003 [INFO ] W-9001-other_1.0-stdout MODEL_LOG - ValueError: of another model
2026-01-01T00:00:00,004 [INFO ] W-9000-fraud_1.0-stdout MODEL_LOG - Backend worker process died.
"""
MASK = "ModuleNotFoundError: No module named 'ts.torch_handler.fraud_handler'"


def test_the_error_behind_torchserves_own_is_found(tmp_path: Path) -> None:
    (tmp_path / "model_log.log").write_text(LOG.format(mask=MASK))
    assert load_error(tmp_path, "fraud", "1.0") == "ImportError: libGL.so.1: cannot open"
    assert load_error(tmp_path, "fraud", "2.0") is None
    assert load_error(None, "fraud", "1.0") is None


def test_tokens_are_read(tmp_path: Path) -> None:
    keys = {"management": {"key": "m"}, "inference": {"key": "i"}, "API": {"key": "a"}}
    (tmp_path / "key_file.json").write_text(json.dumps(keys))
    places = Places().of(str(tmp_path)).with_tokens(None)
    assert (places.inference_token, places.management_token) == ("i", "m")
    (tmp_path / "token").write_text("t\n")
    assert Places().with_tokens(tmp_path / "token").management_token == "t"
    (tmp_path / "broken").write_text("{")
    with pytest.raises(TorchVitalsError, match="nor a token alone"):
        Places().with_tokens(tmp_path / "broken")


def test_a_folder_says_where_torchserve_is(tmp_path: Path) -> None:
    (tmp_path / "config.properties").write_text("inference_address=http://0.0.0.0:1234\n")
    places = Places().of(str(tmp_path))
    assert (places.inference, places.management) == ("http://127.0.0.1:1234", "http://127.0.0.1:8081")
    assert Places().of("http://ts.example.org:8080/").metrics == "http://ts.example.org:8082"
