"""What TorchServe's context tells of a call: its requests, those that were refused, and their start headers."""

import pytest
from ts.context import Context, RequestProcessor

from torchvitals.recording.call import CallRecord
from torchvitals.recording.recorder import Recorder
from torchvitals.servers.torchserve.requests import Requests

describe = Requests(Recorder(warmup=0, capture_inputs=False)).describe


def context_of(*headers, statuses=()):
    context = Context("m", ".", {}, 1, None, "0.12")
    context.request_processor = [RequestProcessor(headers) for headers in headers]
    for place, status in enumerate(statuses):
        context.set_response_status(status, "", place)
    return context


def described(context, data=({},)):
    call = CallRecord(0, 0)
    describe(call, (list(data), context), {})
    return call


def test_headers_of_a_batch_are_found_in_both_spellings():
    context = context_of(
        {"X-Request-Start": "t=1"}, {"x-request-start": "t=2"}, {"Accept": "*/*"}, {"X-Request-Start": ""}
    )
    call = described(context, [{}] * 4)
    assert call.starts == "t=1\nt=2"
    assert call.ended > 1_700_000_000


def test_each_request_counts_and_those_with_an_error_status_as_failed():
    call = described(context_of({}, {}, {}, statuses=(200, 400, 503)), [{}] * 3)
    assert (call.requests, call.failed) == (3, 2)


@pytest.mark.parametrize(
    "context", [context_of({"Host": "a"}), context_of(), None, object(), Context("m", ".", {}, 1, None, "0")]
)
def test_without_a_header_or_a_context_there_is_nothing(context):
    call = described(context)
    assert (call.requests, call.failed, call.starts) == (1, 0, None)


def test_what_is_no_batch_is_one_request():
    call = CallRecord(0, 0)
    describe(call, ("one", None), {})
    assert call.requests == 1
