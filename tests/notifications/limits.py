"""What each receiver takes, and what must never be in a text of it."""

from __future__ import annotations

import json
import re
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

TITLE = 150
SLACK_TEXT = 3_000
PAGER_SUMMARY, PAGER_DETAILS = 1_024, 4_096
MAIL_BYTES = 20_000
SMS = 160
LINK_BYTES = 400
# The characters of GSM-7 that count as one, without its line ends and Greek capitals.
GSM7 = set(
    "@£$¥èéùìòÇØøÅåÆæßÉ !\"#%&'()*+,-./0123456789:;<=>?ÄÖÑÜ§äöñüà_"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

# Names that want to be more than names; Prometheus allows each of them as the value of a label.
HOSTILE = {
    "channel": "<!channel> <!here|here> <!subteam^S1> <@U1> @channel @@here #general",
    "channel in a word": "fraud@here",
    "escaped": "&lt;!channel&gt; &amp;",
    "link": "https://evil.example/|click> <https://evil.example|here> ](https://evil.example)",
    "quotes": """a"b'c`d\\e{f}g$h%i"onclick="x()""",
    "lines": "one\ntwo\r\n\r\nBcc: all@example.org\u2028three\x85four\ttab\x00zero",
    "formats": "*bold* _it_ ~gone~ `code` ```block``` > quote",
    "quote": "> quote",
    "markup": "<script>alert(1)</script><img src=x onerror=y></title></a>",
    "template": '{{ template "torchvitals.text" . }} %s %[1]d $1 ${1} \\1',
    "long": "m" * 128,
    "long words": "model " * 400,
    "long marks": "<&>" * 400,
    "some marks": "&" * 5 + "m" * 2_000,
    "long spaced marks": "a & b < c > " * 100,
    "emoji": "🔥" * 128,
    "directions": "\u202eabc\u2066def",
    "pattern": r"(.*)[a-z]+\p{L}^$|",
}


def check_title(title: str) -> None:
    assert 0 < len(title) <= TITLE
    assert title.isprintable()
    assert not re.search(r"[<>]|@(channel|here|everyone)", title, re.IGNORECASE), title


def check_slack(attachment: dict[str, Any]) -> None:
    """Check an attachment of Slack's: its texts as Slack would read them."""
    check_title(attachment["title"])
    check_title(attachment["fallback"])
    text = attachment.get("text", "")
    assert len(text) <= SLACK_TEXT
    links = re.findall(r"<([^<>|\s]*)\|(What to do|Dashboard|Silence)>", text)
    for url, _ in links:
        check_link(url.replace("&amp;", "&"))
    rest = re.sub(r"<[^<>|\s]*\|(?:What to do|Dashboard|Silence)>", "", text)
    # All that is bold are the sentences, each a line of its own.
    rest = re.sub(r"^\*([^*]+)\*$", r"\1", rest, flags=re.MULTILINE)
    assert not re.search(r"[<>@#*~`]|&(?!amp;|lt;|gt;)|(?<!\w)_\w|\w_(?!\w)|^&gt;", rest, re.MULTILINE), rest


def check_pager(event: dict[str, Any]) -> None:
    """Check an event of PagerDuty's (Events API v2)."""
    check_title(event["payload"]["summary"])
    assert len(event["payload"]["summary"]) <= PAGER_SUMMARY
    assert len(json.dumps(event["payload"]["custom_details"], ensure_ascii=False)) <= PAGER_DETAILS
    for address in (event["client_url"], *(link["href"] for link in event.get("links") or [])):
        check_link(address)


def check_link(address: str) -> None:
    assert re.match(r"(https?://[!#-;=?-\[\]_a-z~]*)?$", address) or (
        re.match(r"https?://", address) and not re.search(r"[\s<>|\"'`\\]", address)
    ), address
    assert len(address.encode()) <= LINK_BYTES


class _Page(HTMLParser):
    """What is in a page: tags, attributes by name, text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]


def check_html(page: str) -> None:
    read = _Page()
    read.feed(page)
    assert read.tags <= {"html", "head", "meta", "title", "body", "h1", "p", "a"}
    assert read.attributes <= {"lang", "charset", "name", "content", "style", "href"}
    for link in read.links:
        check_link(link)
        assert link


def check_email(message: EmailMessage) -> None:
    """Check a mail, headers included."""
    check_title(str(message["subject"]))
    assert message["bcc"] is None
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part is not None
        assert len(part.get_content().encode()) <= MAIL_BYTES
        if kind == "html":
            check_html(part.get_content())


def check_sms(text: str) -> None:
    assert 0 < len(text) <= SMS
    assert set(text) <= GSM7, set(text) - GSM7
