"""What people read, as Alertmanager's own renderer writes it."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from stack import receiver, render

from .limits import HOSTILE, MAIL_BYTES, PAGER_DETAILS, SMS, check_html, check_link, check_slack, check_sms
from .manager import FOLDER

ROOT = FOLDER.parent
RUNBOOK = "https://github.com/torchvitals/torchvitals/blob/main/docs/runbooks.md#modelinputdrift"
DRIFT = {
    "status": "firing",
    "labels": {
        "alertname": "ModelInputDrift",
        "cause": "input",
        "severity": "warning",
        "model_name": "flight_delay",
        "model_version": "1.0",
        "instance": "10.0.0.7:8082",
    },
    "annotations": {
        "summary": "Input drift in flight_delay 1.0: 2 features",
        "description": "Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02).",
        "runbook_url": RUNBOOK,
        "dashboard": "/d/torchvitals-drift?var-model_name=flight_delay",
    },
    "startsAt": "2026-07-02T14:03:05Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
SHIFT = {
    **DRIFT,
    "labels": {**DRIFT["labels"], "alertname": "ModelInputMeanShift"},
    "annotations": {**DRIFT["annotations"], "summary": "Input means moved", "description": "temp (3.4 σ)."},
}
TEXT = f"""\
Input drift in flight_delay 1.0: 2 features
What to do: {RUNBOOK}

Since 2 Jul 14:03 UTC, on 10.0.0.7:8082
Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02).

Dashboard: http://127.0.0.1:3000/d/torchvitals-drift?var-model_name=flight_delay
Alerts: http://127.0.0.1:9093/#/alerts?filter=FILTER
Silence: http://127.0.0.1:9093/#/silences/new?filter=FILTER"""
END = "\x1e"
SLACK = f"""\
*Input drift in flight_delay 1.0: 2 features*
<{RUNBOOK}|What to do> · \
<http://127.0.0.1:3000/d/torchvitals-drift?var-model_name=flight_delay|Dashboard> · \
<http://127.0.0.1:9093/#/silences/new?filter=FILTER|Silence>

Since 2 Jul 14:03 UTC, on 10.0.0.7:8082
Worst: temp (KL 7.31, limit 2.1 from training windows), dewp (KL 5.02).
"""
DOWN = {"alertname": "TorchServeDown", "severity": "critical"}


def ended(alert: dict[str, Any]) -> dict[str, Any]:
    return {**alert, "status": "resolved", "endsAt": "2026-07-02T15:10:05Z"}


def labelled(alert: dict[str, Any], **labels: str) -> dict[str, Any]:
    """Return an alert with other labels; one that is empty is left out, as Prometheus does."""
    found = {**alert["labels"], **labels}
    return {**alert, "labels": {name: value for name, value in found.items() if value}}


def said(alert: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {**alert, "annotations": {**alert["annotations"], **annotations}}


def servers(count: int, alert: dict[str, Any] = DRIFT) -> list[dict[str, Any]]:
    """Return an alert of each of so many servers, with a description of its own."""
    return [
        said(
            labelled(alert, instance=f"10.0.{number // 250}.{number % 250}:8082"),
            description=f"Of {number}. " * 99,
        )
        for number in range(count)
    ]


def data(*alerts: dict[str, Any], **group: str) -> dict[str, Any]:
    labels = [alert["labels"] for alert in alerts]
    return {
        "receiver": "warning",
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": group or {"cause": "input", "model_name": "flight_delay"},
        "commonLabels": {
            key: value for key, value in labels[0].items() if all(label.get(key) == value for label in labels)
        },
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
    }


def rendered(
    name: str, content: dict[str, Any], folder: Path, *, templates: Path = FOLDER / "templates"
) -> str:
    (text,) = rendered_all((name,), content, folder, templates=templates)
    return text


def rendered_all(
    names: tuple[str, ...], content: dict[str, Any], folder: Path, *, templates: Path = FOLDER / "templates"
) -> list[str]:
    """Return the text of each template, as Alertmanager escapes it in mails where it is the page."""
    file = folder / "data.json"
    file.write_text(json.dumps(content))
    kind = "html" if names == ("html",) else "text"
    done = subprocess.run(
        ["amtool", "template", "render", f"--template.glob={templates}/*.tmpl", f"--template.data={file}",
         f"--template.type={kind}",
         "--template.text=" + END.join(f'{{{{ template "torchvitals.{name}" . }}}}' for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split(END)


@pytest.mark.parametrize(
    ("content", "title", "color"),
    [
        (data(DRIFT), "WARNING: ModelInputDrift, flight_delay 1.0, 10.0.0.7:8082", "warning"),
        (data(labelled(DRIFT, instance="")), "WARNING: ModelInputDrift, flight_delay 1.0", "warning"),
        (
            data(DRIFT, SHIFT),
            "WARNING: ModelInputDrift and 1 more, flight_delay 1.0, 10.0.0.7:8082",
            "warning",
        ),
        (data(ended(DRIFT), SHIFT), "WARNING: ModelInputMeanShift, flight_delay 1.0, 10.0.0.7:8082", "warning"),
        (
            data(ended(DRIFT)),
            "RESOLVED: ModelInputDrift, flight_delay 1.0, 10.0.0.7:8082, 2 Jul 14:03 to 15:10 UTC",
            "good",
        ),
        (
            data(*(ended(each) for each in servers(50))),
            "RESOLVED: ModelInputDrift, flight_delay 1.0, 50 servers, 2 Jul 14:03 to 15:10 UTC",
            "good",
        ),
        (
            data({**ended(DRIFT), "endsAt": "2026-07-03T01:10:05Z"}),
            "RESOLVED: ModelInputDrift, flight_delay 1.0, 10.0.0.7:8082, 2 Jul 14:03 to 3 Jul 01:10 UTC",
            "good",
        ),
        (data({**DRIFT, "labels": DOWN}, cause="server"), "CRITICAL: TorchServeDown", "danger"),
        (
            data(*servers(50, {**DRIFT, "labels": DOWN}), cause="server"),
            "CRITICAL: TorchServeDown, 50 servers",
            "danger",
        ),
        (
            data(*servers(2), *servers(3, SHIFT)),
            "WARNING: ModelInputDrift and 1 more, flight_delay 1.0, 3 servers",
            "warning",
        ),
        (
            data(*(labelled(DRIFT, instance="", model_version=version) for version in ("1.0", "2.0", "2.0"))),
            "WARNING: ModelInputDrift, flight_delay, 2 versions",
            "warning",
        ),
        (
            data(*(labelled(DRIFT, model_name=name, cluster="eu") for name in ("a.b", "axb", "a.b", "(", "["))),
            "WARNING: ModelInputDrift, a.b and 3 more models, 10.0.0.7:8082, eu",
            "warning",
        ),
        (data({**DRIFT, "labels": {"alertname": "Own"}}, cause=""), "ALERT: Own", "warning"),
    ],
    ids=[
        "one", "fleet", "two", "one of two", "over", "all over", "over next day", "server", "servers", "two of servers",
        "versions", "models", "foreign",
    ],
)  # fmt: skip
def test_the_title_says_how_bad_what_of_which_models_and_servers(
    content: dict[str, Any], title: str, color: str, tmp_path: Path
) -> None:
    assert rendered("title", content, tmp_path) == title
    assert rendered("color", content, tmp_path) == color


@pytest.mark.parametrize(("name", "wanted"), [("text", TEXT), ("slack", SLACK)])
def test_the_text_says_what_and_what_to_do_then_since_when_and_how_bad(
    name: str, wanted: str, tmp_path: Path
) -> None:
    text = rendered(name, data(DRIFT), tmp_path)
    filters = re.findall(r"filter=([^\s|]+)", text)
    assert {unquote(found) for found in filters} == {'{cause="input",model_name="flight_delay"}'}
    assert text == wanted.replace("FILTER", filters[0])


@pytest.mark.parametrize("name", ["text", "slack", "html"])
def test_three_servers_and_the_number_of_the_others(name: str, tmp_path: Path) -> None:
    text = rendered(name, data(*servers(50)), tmp_path)
    assert re.findall(r"on (10\.0\.\S+:8082)", text) == [f"10.0.0.{number}:8082" for number in range(3)]
    assert "47 more" in text
    # The same sentence is said once, and what of the first one is like what of the others.
    assert text.count(DRIFT["annotations"]["summary"]) == 1
    assert [number for number in range(50) if f"Of {number}." in text] == [0]
    assert "more" not in rendered(name, data(*servers(3)), tmp_path)


@pytest.mark.parametrize("name", ["text", "slack", "html"])
def test_each_sentence_that_differs_is_said_and_another_alert_is_described(name: str, tmp_path: Path) -> None:
    other = said(
        labelled(DRIFT, instance="10.0.0.9:8082"), summary="Drift there", description="Of the server."
    )
    text = rendered(name, data(DRIFT, SHIFT, other), tmp_path)
    words = [
        DRIFT["annotations"]["summary"],
        "dewp (KL 5.02).",
        "Input means moved",
        "temp (3.4 σ).",
        "Drift there",
    ]
    assert sorted(words, key=text.index) == words
    assert "Of the server." not in text
    bare = {**labelled(DRIFT, alertname="Bare"), "annotations": {}}
    assert ">Bare<" in rendered("html", data({**DRIFT, "annotations": {}}, bare), tmp_path)


@pytest.mark.parametrize("name", ["text", "slack", "html"])
def test_a_long_description_ends_after_a_word(name: str, tmp_path: Path) -> None:
    long = " ".join(f"feature_{number}" for number in range(300))
    alone = rendered(name, data(said(DRIFT, description=long)), tmp_path)
    (words,) = re.findall(r"feature_0.*", alone)
    shown = words.removesuffix("</p>")
    assert shown.endswith(" …")
    assert len(shown) <= 1_000
    assert long.startswith(shown.removesuffix(" …") + " ")
    whole = " ".join(f"feature_{number}" for number in range(80))
    assert whole in rendered(name, data(said(DRIFT, description=whole)), tmp_path)


@pytest.mark.parametrize("name", ["text", "slack", "html"])
def test_the_places_that_alerts_have_in_common_are_named(name: str, tmp_path: Path) -> None:
    place = {"cluster": "eu", "namespace": "ml", "env": "prod"}
    text = rendered(name, data(labelled(DRIFT, **place)), tmp_path)
    assert "Since 2 Jul 14:03 UTC, on 10.0.0.7:8082, cluster eu, namespace ml, env prod" in text


def test_what_is_over_is_one_line_and_asks_for_nothing(tmp_path: Path) -> None:
    over = data(*(ended(each) for each in servers(50)))
    line = "RESOLVED: ModelInputDrift, flight_delay 1.0, 50 servers, 2 Jul 14:03 to 15:10 UTC"
    assert rendered("text", over, tmp_path) == line
    # The title is all of it.
    assert rendered("slack", over, tmp_path) == ""
    page = rendered("html", over, tmp_path)
    assert page.count("<p ") == page.count(f">{line}</p>") == 1
    assert "<a " not in page
    assert (
        rendered("sms", over, tmp_path) == "RESOLVED, 50 alerts: Input drift in flight_delay 1.0: 2 features"
    )


@pytest.mark.parametrize("name", ["text", "slack", "html"])
def test_what_is_over_of_a_trouble_that_goes_on_is_one_line(name: str, tmp_path: Path) -> None:
    over = [ended(each) for each in servers(9)]
    text = rendered(name, data(*over, SHIFT), tmp_path)
    assert "Resolved: 10.0.0.0:8082, 10.0.0.1:8082, 10.0.0.2:8082 and 6 more" in text
    assert DRIFT["annotations"]["summary"] not in text
    assert "Input means moved" in text


def test_an_alert_without_texts_has_its_name_and_no_empty_links(tmp_path: Path) -> None:
    bare = data({**DRIFT, "annotations": {}})
    for name in ("text", "slack", "html", "sms"):
        text = rendered(name, bare, tmp_path)
        assert "ModelInputDrift" in text
        assert "What to do" not in text
        assert "Dashboard" not in text
    check_html(rendered("html", bare, tmp_path))


def hostile(words: str, count: int) -> dict[str, Any]:
    """Return a notification of so many alerts in which everything that can hold words holds these."""
    names = ("model_name", "model_version", "cluster", "namespace", "env")
    alerts = [
        {
            **labelled(
                DRIFT,
                alertname=f"{number}" + "A" * 200,
                instance=f"{number}{words}",
                **dict.fromkeys(names, words),
            ),
            "annotations": {
                "summary": f"{number} {words}",
                "description": f"{number} {words} " * (1_500 // len(words) + 1),
                "runbook_url": f"https://example.org/{words}",
                "dashboard": f"/d/torchvitals-model?var-model_name={words}",
            },
        }
        for number in range(count)
    ]
    return data(*alerts, cause="input", **dict.fromkeys(names, words))


@pytest.mark.parametrize("status", ["firing", "resolved"])
@pytest.mark.parametrize(
    ("words", "count"),
    [*((words, count) for words in HOSTILE.values() for count in (1, 4)), (HOSTILE["long"], 1_000)],
    ids=[*(f"{name}, {count}" for name in HOSTILE for count in (1, 4)), "long, 1000"],
)
def test_every_text_is_within_its_limit_and_what_stands_in_it_is_no_markup(
    words: str, count: int, status: str, tmp_path: Path
) -> None:
    content = hostile(words, count)
    if status == "resolved":
        content |= {"status": status, "alerts": [ended(alert) for alert in content["alerts"]]}
    title, slack, text, sms, *links = rendered_all(
        ("title", "slack", "text", "sms", "runbook_url", "dashboard_url", "alerts_url", "silence_url"),
        content,
        tmp_path,
    )
    check_slack({"title": title, "fallback": title, "text": slack})
    assert len(json.dumps(text, ensure_ascii=False)) <= PAGER_DETAILS - 500
    check_sms(sms)
    for link in links:
        check_link(link)
    page = rendered("html", content, tmp_path)
    check_html(page)
    assert max(len(text.encode()), len(page.encode())) <= MAIL_BYTES
    if status == "resolved":
        assert text == title
        assert slack == ""


def test_slack_shows_what_was_written_where_it_is_harmless(tmp_path: Path) -> None:
    loud = said(
        DRIFT, summary="<!channel> & all", description="R&D <b> input_column, KL > 2, 3 * 4, fraud@v2"
    )
    text = rendered("slack", data(loud), tmp_path)
    assert "&lt;!channel&gt; &amp; all" in text
    assert "R&amp;D &lt;b&gt; input_column, KL &gt; 2, 3 ∗ 4, fraud＠v2" in text


def test_a_silence_names_the_place_the_cause_and_the_model_whatever_its_name(tmp_path: Path) -> None:
    name = 'fraud "v2" + 50%\\ü'
    content = data(labelled(DRIFT, model_name=name), cluster="eu", cause="input", model_name=name)
    for link in ("silence_url", "alerts_url"):
        url = rendered(link, content, tmp_path)
        assert re.fullmatch(r"[!-~]+", url)
        filtered = unquote(url.partition("?filter=")[2])
        assert filtered == '{cause="input",cluster="eu",model_name="fraud \\"v2\\" + 50%\\\\ü"}'
    # Read in a page, it is the same address.
    (link,) = re.findall(r'href="([^"]*silences[^"]*)"', rendered("html", content, tmp_path))
    assert unescape(link) == rendered("silence_url", content, tmp_path)
    # Silencing less than is meant is asked for, rather than more.
    long = data(DRIFT, cause="input", model_name="m" * 500)
    assert rendered("silence_url", long, tmp_path) == "http://127.0.0.1:9093/#/silences/new"


def test_an_alert_without_a_cause_is_silenced_by_its_name(tmp_path: Path) -> None:
    own = {**DRIFT, "labels": {"alertname": "Own", "model_name": "m"}}
    url = rendered("silence_url", data(own, model_name="m"), tmp_path)
    assert unquote(url).endswith('filter={model_name="m",alertname="Own"}')


@pytest.mark.parametrize(
    ("dashboard", "path"),
    [
        ("/d/x?var-model_name=fraud+v2&var-b=%7C", "/d/x?var-model_name=fraud+v2&var-b=%7C"),
        ("/d/x?var-model_name=a b|c>d", "/d/x?var-model_name=a%20b%7Cc%3Ed"),
        (f"/d/x?var-model_name={'m' * 128}", f"/d/x?var-model_name={'m' * 128}"),
        (f"/d/x?var-model_name={'m' * 500}", "/d/x"),
        (f"/d/{'m' * 500}", "/"),
    ],
    ids=["escaped", "raw", "long", "too long", "endless"],
)
def test_no_name_breaks_a_link(dashboard: str, path: str, tmp_path: Path) -> None:
    content = data(said(DRIFT, dashboard=dashboard))
    url = rendered("dashboard_url", content, tmp_path)
    assert url == f"http://127.0.0.1:3000{path}"
    assert f"<{url.replace('&', '&amp;')}|Dashboard>" in rendered("slack", content, tmp_path)
    (link,) = re.findall(r'href="(http://127.0.0.1:3000[^"]*)"', rendered("html", content, tmp_path))
    assert unescape(link) == url


@pytest.mark.parametrize(
    ("content", "sms"),
    [
        (data(DRIFT), f"WARNING: Input drift in flight_delay 1.0: 2 features {RUNBOOK}"),
        (data(*servers(50)), f"WARNING, 50 alerts: Input drift in flight_delay 1.0: 2 features {RUNBOOK}"),
        (data(said(DRIFT, summary="é ‘x’ – [σ] 🔥…")), f"WARNING: é 'x' - (?) ?... {RUNBOOK}"),
        (data(said(DRIFT, runbook_url="", summary="m" * 152)), f"WARNING: {'m' * 148}..."),
        (data(said(DRIFT, runbook_url="", summary="m" * 151)), f"WARNING: {'m' * 151}"),
        (
            data(said(DRIFT, runbook_url="https://example.org/" + "r" * 200)),
            f"WARNING: {DRIFT['annotations']['summary']}",
        ),
    ],
    ids=["one", "servers", "characters", "too long", "just so", "long link"],
)  # fmt: skip
def test_an_sms_is_one_message(content: dict[str, Any], sms: str, tmp_path: Path) -> None:
    assert rendered("sms", content, tmp_path) == sms
    check_sms(sms)


def test_an_sms_shortens_the_sentence_rather_than_the_link(tmp_path: Path) -> None:
    sms = rendered("sms", data(said(DRIFT, summary="m" * 500)), tmp_path)
    assert len(sms) == SMS
    assert sms.endswith(f"m... {RUNBOOK}")


def test_a_run_links_to_its_own_grafana(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    for file in (FOLDER / "templates").glob("*.tmpl"):
        (templates / file.name).write_text(file.read_text())
    # Alertmanager reads the files in the order of its configuration; the last definition counts.
    (templates / "zz.tmpl").write_text(render.addresses_tmpl("http://127.0.0.1:3456"))
    url = rendered("dashboard_url", data(DRIFT), tmp_path, templates=templates)
    assert url == "http://127.0.0.1:3456/d/torchvitals-drift?var-model_name=flight_delay"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_the_links_of_each_alert_lead_somewhere(rule: dict[str, Any]) -> None:
    uid, _, query = rule["annotations"]["dashboard"].removeprefix("/d/").partition("?")
    boards = {
        board["uid"]: {variable["name"] for variable in board["templating"]["list"]}
        for board in map(
            json.loads, (file.read_text() for file in (ROOT / "grafana/dashboards").glob("*.json"))
        )
    }
    assert uid in boards
    assert set(re.findall(r"var-(\w+)=", query)) <= boards[uid]
    page, _, heading = rule["annotations"]["runbook_url"].partition("#")
    assert page.endswith("/docs/runbooks.md")
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(), re.MULTILINE)
    assert heading in {found.lower() for found in headings}


PERCENTAGE = re.compile(r"\{\{ (?P<value>[^{}]*?) \| humanizePercentage \}\}")


@pytest.mark.parametrize(
    "rule", [rule for rule in rules() if "humanizePercentage" in str(rule)], ids=lambda rule: rule["alert"]
)
def test_a_measured_share_is_rounded_and_a_limit_is_as_it_was_written(rule: dict[str, Any]) -> None:
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        found = list(PERCENTAGE.finditer(text))
        assert len(found) == text.count("humanizePercentage")
        for share in found:
            asked = re.findall(r"printf `([^`]*)` \S+ \| query", text[: share.start()])
            limit = share["value"] == ".Value" and asked[-1].startswith(
                "max(model_signal:model_threshold:max{"
            )
            assert limit or re.match(r'printf "%\.(2f|3g)" ', share["value"]), share[0]


@pytest.mark.parametrize(
    ("grafana_url", "dashboard", "linked"),
    [
        ("http://127.0.0.1:3000", "/d/torchvitals-drift", True),
        ("", "/d/torchvitals-drift", False),
        ("http://127.0.0.1:3000", '"><script>', False),
        ("http://127.0.0.1:3000", "javascript:alert(1)", False),
    ],
)
def test_the_page_of_notifications_links_to_the_dashboard(
    grafana_url: str, dashboard: str, linked: bool
) -> None:
    alert = {**DRIFT, "annotations": {**DRIFT["annotations"], "dashboard": dashboard}, "receivedAt": "now"}
    page = receiver.html([alert], grafana_url=grafana_url)
    assert ('<a href="http://127.0.0.1:3000/d/torchvitals-drift"' in page) == linked
    assert f'<a href="{RUNBOOK}"' in page
    assert "<script>" not in page
    assert "javascript:" not in page
