"""Files of users with our part: theirs is kept, ours is there, the second time changes nothing."""

from __future__ import annotations

import codecs
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from torchvitals.cli import app
from torchvitals.cli.merging.config_properties import settings

from .files import CUSTOM_METRICS, FILES, KUBE_ALERTMANAGER, OTHER_JOB, PROMETHEUS, PROPERTIES, REFUSED

ROOT = Path(__file__).parents[4]


def run(*words: str | Path, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["merge", *map(str, words)])
    assert done.exit_code == status, done.output
    return done.output


def is_kept(before: Sequence[str], after: Sequence[str]) -> bool:
    """Tell whether all of one stands in the other, in order."""
    rest = iter(after)
    return all(piece in rest for piece in before)


def write(folder: Path, kind: str) -> tuple[Path, bytes]:
    name, text = FILES[kind]
    file = folder / name
    file.write_bytes(text.encode())
    return file, file.read_bytes()


@pytest.mark.parametrize("kind", FILES)
def test_theirs_is_kept_and_the_second_time_changes_nothing(kind: str, tmp_path: Path) -> None:
    file, before = write(tmp_path, kind)
    run(file, "--check", status=1)
    assert file.read_bytes() == before
    run(file, "--yes")
    after = file.read_bytes()
    # Character by character, so that what comes into a line leaves all of it.
    assert is_kept(before.decode(), after.decode())
    assert after.startswith(codecs.BOM_UTF8) == before.startswith(codecs.BOM_UTF8)
    if before:
        assert after.endswith(b"\n") == before.endswith(b"\n")
    if b"\r\n" in before:
        assert after.count(b"\n") == after.count(b"\r\n")
    assert "nothing is missing" in run(file, "--check")
    run(file, "--yes")
    assert file.read_bytes() == after


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_done_safely_is_said_and_left(kind: str, tmp_path: Path) -> None:
    name, content, said = REFUSED[kind]
    file = tmp_path / name
    file.write_bytes(content)
    assert f"{file}: left as it is: {said}" in run(file, "--yes", status=1)
    assert file.read_bytes() == content


@pytest.mark.parametrize("kind", [kind for kind, (name, _) in FILES.items() if name == "metrics.yaml"])
def test_metrics_are_all_there(kind: str, tmp_path: Path) -> None:
    file, before = write(tmp_path, kind)
    run(file, "--yes")
    theirs, found = yaml.safe_load(before) or {}, yaml.safe_load(file.read_bytes())
    ours = yaml.safe_load((ROOT / "metrics.yaml").read_text())["model_metrics"]
    for metric_type in ("counter", "gauge"):
        old = (theirs.get("model_metrics") or {}).get(metric_type) or []
        names = [entry["name"] for entry in old]
        added = [
            entry
            for entry in ours[metric_type]
            if entry["name"] not in names and entry["name"].startswith("model_")
        ]
        assert found["model_metrics"][metric_type] == old + added
    if theirs:
        assert found["dimensions"] == theirs["dimensions"]


@pytest.mark.parametrize("kind", [kind for kind, (name, _) in FILES.items() if "prometheus" in name])
def test_prometheus_loads_the_result(kind: str, tmp_path: Path) -> None:
    file, _ = write(tmp_path, kind)
    run(file, "--yes")
    # Without the rules, which take promtool a second.
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(file.read_bytes())
    assert [name for name in found["rule_files"] if "torchvitals" in name] == [
        "torchvitals/prometheus/rules.yml",
        "torchvitals/prometheus/alerts.yml",
    ]
    (job,) = [job for job in found["scrape_configs"] if job["job_name"] == "torchserve"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8082"]}]
    assert found["alerting"]["alertmanagers"]


def test_prometheus_finds_our_rules_from_the_result(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(PROMETHEUS)
    run(file, "--yes")
    words = ["export", str(tmp_path / "torchvitals"), "--part", "prometheus"]
    assert CliRunner().invoke(app, words).exit_code == 0
    done = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout
    alerts = (tmp_path / "torchvitals" / "prometheus" / "alerts.yml").read_text().count("- alert: ")
    assert f"SUCCESS: {alerts} rules found" in done.stdout


ALERTS = {
    "a warning of ours": ("Default", "alertname=ModelInputDrift cause=input severity=warning"),
    "a critical one of ours": ("Critical", "alertname=ModelErrorRateHigh cause=errors severity=critical"),
    "our heartbeat": ("torchvitals-heartbeat", "alertname=Watchdog cause=watchdog severity=none"),
    "their heartbeat": ("Watchdog", "alertname=Watchdog severity=none"),
    "a critical one of theirs": ("Critical", "alertname=Disk severity=critical"),
    "another of theirs": ("Default", "alertname=Disk severity=warning"),
}


def test_alerts_go_where_they_went_and_ours_to_the_receivers_named(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(
        KUBE_ALERTMANAGER.replace(
            '"name": "Critical"', '"name": "Critical"\n  "webhook_configs": [{"url": "http://a"}]'
        )
    )
    run(file, "--yes", "--critical", "Critical")
    for receiver, labels in ALERTS.values():
        words = ["amtool", "config", "routes", "test", f"--config.file={file}", *labels.split()]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == receiver, labels


@pytest.mark.parametrize("kind", [kind for kind, (name, _) in FILES.items() if name == "alertmanager.yml"])
def test_alertmanager_loads_the_result(kind: str, tmp_path: Path) -> None:
    file, before = write(tmp_path, kind)
    run(file, "--yes")
    done = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs, found = yaml.safe_load(before), yaml.safe_load(file.read_bytes())
    ours, *others = found["route"]["routes"]
    assert others == theirs["route"].get("routes", [])
    assert ours["receiver"] == theirs["route"]["receiver"]
    assert [child["receiver"] for child in ours["routes"]] == ["torchvitals-heartbeat", ours["receiver"]]


def test_alertmanager_finds_our_texts_from_the_result(tmp_path: Path) -> None:
    file, _ = write(tmp_path, "kube-prometheus")
    run(file, "--yes")
    words = ["export", str(tmp_path / "torchvitals"), "--part", "alertmanager"]
    assert CliRunner().invoke(app, words).exit_code == 0
    done = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "templates" in done.stdout
    assert "0 templates" not in done.stdout


def test_a_metric_of_the_same_name_stays_and_is_named(tmp_path: Path) -> None:
    file = tmp_path / "metrics.yaml"
    own = "    - {name: model_requests_total, unit: Count, dimensions: [*model_name]}\n"
    file.write_text(CUSTOM_METRICS + own)
    said = run(file, "--yes", status=1)
    assert (
        "metric model_requests_total is in 'model_metrics: gauge'; "
        "TorchVitals needs it in 'model_metrics: counter'" in said
    )
    assert own in file.read_text()
    assert file.read_text().count("name: model_requests_total,") == 1
    assert "name: model_feature_psi," in file.read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics_mode=log", "metrics_mode=log: TorchServe shows no metrics; set metrics_mode=prometheus"),
        (
            "metrics_mode : legacy",
            "metrics_mode=legacy: TorchServe shows no metrics; set metrics_mode=prometheus",
        ),
        (
            "enable_metrics_api=false",
            "enable_metrics_api=false: the metrics port is closed; set enable_metrics_api=true",
        ),
    ],
)
def test_a_setting_that_differs_stays_and_is_named(line: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "config.properties"
    file.write_text(f"{PROPERTIES}{line}\n")
    assert said in run(file, "--yes", status=1)
    assert line in file.read_text()
    assert settings(file.read_text())["metrics_config"] == "metrics.yaml"


def test_settings_are_read_as_java_does() -> None:
    assert settings(PROPERTIES) == {
        "inference_address": "http://0.0.0.0:8080",
        "management_address": "http://127.0.0.1:8081",
        "models": '{"a": {"1.0": {"defaultVersion": true}}}',
        "model_store": "/models",
    }


def test_another_file_of_metrics_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.properties"
    file.write_text("metrics_mode=prometheus\nmetrics_config=/etc/ts/m.yaml\n")
    assert "metrics_config=/etc/ts/m.yaml: merge our metrics into that file" in run(file, "--check")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_job_of_another_name_stays_and_is_named(host: str, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(OTHER_JOB.replace("127.0.0.1", host))
    said = run(file, "--yes", status=1)
    assert "generate them for it: torchvitals rules generate --job inference" in said
    assert [job["job_name"] for job in yaml.safe_load(file.read_text())["scrape_configs"]] == ["inference"]
    run(file, "--check", "--job", "inference")


@pytest.mark.parametrize(
    "name", ["config.properties", "prometheus/prometheus.yml", "log4j2.xml", "metrics.yaml"]
)
def test_our_own_files_lack_nothing(name: str) -> None:
    assert "nothing is missing" in run(ROOT / name, "--check")


def test_our_own_alertmanager_lacks_nothing() -> None:
    run(ROOT / "alertmanager" / "alertmanager.yml", "--check")


def test_loud_loggers_and_endless_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "log4j2.xml"
    file.write_text(
        '<Configuration><Appenders><File name="all" fileName="a.log"/></Appenders>\n<Loggers>\n'
        '<Logger name="org.pytorch.serve.wlm.WorkerLifeCycle" level="debug"/>\n</Loggers></Configuration>'
    )
    said = run(file, "--yes", status=1)
    assert "appender all writes a file that grows for ever" in said
    assert "logger org.pytorch.serve.wlm.WorkerLifeCycle has level 'debug'" in said


def test_it_asks_before_it_writes_and_diff_does_not(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(PROMETHEUS)
    assert "+  - torchvitals/prometheus/rules.yml" in run(file, "--diff")
    for answer, written in (("n", False), ("y", True)):
        CliRunner().invoke(app, ["merge", str(file)], input=f"{answer}\n")
        assert (file.read_text() != PROMETHEUS) == written


def test_a_folder_is_its_files(tmp_path: Path) -> None:
    for kind in ("Prometheus's example", "kube-prometheus", "TorchServe's own metrics"):
        write(tmp_path, kind)
    said = run(tmp_path, "--diff")
    assert all(
        f"+++ {tmp_path / name}" in said for name in ("prometheus.yml", "alertmanager.yml", "metrics.yaml")
    )


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert "there is no such file" in run(tmp_path / "metrics.yaml", status=1)
    assert "the folder has none of the files; name them" in run(tmp_path, status=1)
