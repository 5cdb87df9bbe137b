"""The receiver: whatever arrives, and however it ended before, it starts, keeps and shows."""

import asyncio
import json

import httpx
import pytest

from stack.receiver import application, read

ALERT = {"status": "firing", "labels": {"alertname": "ModelInputDrift"}, "annotations": {"summary": "seven"}}


class Client:
    """Asks an application without a server."""

    def __init__(self, app):
        self._transport = httpx.ASGITransport(app)

    def get(self, path):
        return asyncio.run(self._ask("GET", path))

    def post(self, path, content):
        return asyncio.run(self._ask("POST", path, content=content))

    async def _ask(self, method, path, **options):
        async with httpx.AsyncClient(transport=self._transport, base_url="http://receiver") as client:
            return await client.request(method, path, **options)


def sent(client, *alerts):
    return client.post("/alerts", content=json.dumps({"version": "4", "alerts": alerts}))


@pytest.mark.parametrize(
    "torn",
    [
        b'{"status": "fir',
        b"\xff\xfe\x00",
        b"[1]\n",
        b"null\n{}\n",
        b'{"status": "firing"}\n',
        b"[" * 50_000 + b"\n",
    ],
)
def test_a_file_with_a_torn_or_foreign_line_is_gone_on_with(torn, tmp_path, capsys):
    file = tmp_path / "notifications.jsonl"
    assert sent(Client(application(file)), ALERT).status_code == 200
    with file.open("ab") as appended:
        appended.write(torn)
    for count in (2, 3):
        client = Client(application(file))
        assert sent(client, ALERT).status_code == 200
        assert len(client.get("/api/notifications").json()) == len(read(file)) == count
        assert client.get("/").status_code == 200
    assert "are no alerts, and are left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "odd",
    [
        {"labels": {"alertname": "a\ud800b"}},
        {"annotations": {"summary": "\udfff"}},
        {"startsAt": None},
        {"startsAt": {"a": [1]}},
        {"receivedAt": 7},
        {"receivedAt": None},
        {"generatorURL": 5},
        {"generatorURL": "javascript:alert(1)"},
        {"annotations": {"dashboard": "//elsewhere"}},
        {"labels": {"alertname": "<script>alert(1)</script>"}},
    ],
)
def test_odd_fields_are_kept_and_break_no_page(odd, tmp_path):
    file = tmp_path / "notifications.jsonl"
    assert sent(Client(application(file)), {**ALERT, **odd}).status_code == 200
    client = Client(application(file, grafana_url="http://grafana"))
    page = client.get("/")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "javascript:" not in page.text
    (found,) = client.get("/api/notifications").json()
    assert isinstance(found["receivedAt"], str)
    assert found["status"] == "firing"


def test_a_full_disk_is_told_and_what_comes_later_is_kept(tmp_path, monkeypatch):
    file = tmp_path / "notifications.jsonl"
    client = Client(application(file))
    with monkeypatch.context() as patch:
        patch.setattr(
            "stack.receiver._is_torn", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        answer = sent(client, ALERT)
    assert (answer.status_code, "cannot be kept" in answer.text) == (500, True)
    assert client.get("/api/notifications").json() == []
    assert sent(client, ALERT).status_code == 200
    assert len(read(file)) == 1
