"""The line that TorchServe's worker logs for each request is left out, and no other."""

import logging
import os
import socket
import struct

import numpy as np
import pytest
from ts.protocol import otf_message_handler

from torchvitals.servers.torchserve.request_log import RECEIVED, leave_out_request_lines


@pytest.fixture
def records(monkeypatch):
    """What reaches the root logger's handlers, with the line left out."""
    taken = []
    handler = logging.Handler()
    handler.emit = taken.append
    root = logging.getLogger()
    monkeypatch.delitem(vars(root), "info", raising=False)
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    leave_out_request_lines()
    yield taken
    root.removeHandler(handler)
    root.setLevel(level)


def test_torchserves_own_reading_of_a_request_logs_nothing_more(records):
    front, back = socket.socketpair()
    with front, back:
        front.sendall(b"I" + struct.pack("!i", -1))
        assert otf_message_handler.retrieve_msg(back) == (b"I", [])
        assert records == []
        front.close()
        with pytest.raises(SystemExit):
            otf_message_handler.retrieve_msg(back)
    assert [record.getMessage() for record in records] == ["Frontend disconnected."]


def test_any_other_line_stays_with_the_place_it_comes_from(records):
    logging.info("%s and %s", 1, 2)
    logging.getLogger().info("mine", extra={"request": 7})
    logging.getLogger("model").info(RECEIVED, 3)
    logging.info(np.zeros(3))
    logging.warning(RECEIVED, 4)
    assert [record.getMessage() for record in records] == [
        "1 and 2", "mine", "Backend received inference at: 3", "[0. 0. 0.]", "Backend received inference at: 4",
    ]  # fmt: skip
    assert records[1].request == 7
    assert {os.path.basename(record.pathname) for record in records} == {os.path.basename(__file__)}
    assert records[0].funcName == "test_any_other_line_stays_with_the_place_it_comes_from"


def test_it_is_left_out_once(records):
    shadow = logging.getLogger().info
    leave_out_request_lines()
    assert logging.getLogger().info is shadow
