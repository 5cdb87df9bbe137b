"""A mail server on loopback that keeps what arrives."""

from __future__ import annotations

from contextlib import AbstractContextManager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from stack.ports import Ports

PASSWORD = "password-of-the-tests"


class Mailbox(AbstractContextManager["Mailbox"]):
    """Keeps the messages that arrive from a sender who knows the password."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.port = Ports.free().receiver
        # Go's SMTP client sends a password without TLS to this machine alone, as here.
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port,
            authenticator=self.authenticate, auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN"],  # aiosmtpd asks for "User Name", and Alertmanager knows "Username:",
        )  # fmt: skip

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        assert session.authenticated
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"

    @staticmethod
    def authenticate(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        return AuthResult(success=good)

    @property
    def subjects(self) -> list[str]:
        return [str(message["subject"]) for message in self.messages]


def body(message: EmailMessage, kind: str) -> str:
    """Return the text of a message that is "plain" or "html"."""
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())
