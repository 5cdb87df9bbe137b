"""Errors: one line each, whatever names of a user's they quote."""

import copy
import pickle

import pytest

from tests.unit.publishers.front_end import LINE_ENDS
from torchvitals import BaselineError, ConfigurationError, TorchVitalsError
from torchvitals.errors import one_line
from torchvitals.featurizers.kinds import UnknownKindError

ENDS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize("kind", [TorchVitalsError, ConfigurationError, BaselineError, UnknownKindError])
def test_a_line_break_in_a_name_is_an_escape(kind, end):
    text = str(kind(f"feature 'a{end}[METRICS]b' stands twice"))
    assert len(text.splitlines()) == len(LINE_ENDS.split(text)) == 1
    assert text == f"feature 'a{ascii(end)[1:-1]}[METRICS]b' stands twice"


def test_other_text_stays_as_it_is():
    for text in ("", "feature 'Größe [m²], 中' has 9 bins: {'a': 1}\\n", "\U0001f600"):
        assert one_line(text) == text
        assert str(BaselineError(text)) == text


def test_text_without_utf8_can_be_written():
    assert one_line("a\ud800b\x00\x1b[31m").encode() == rb"a\ud800b\x00\x1b[31m"


def test_errors_are_pickled_and_copied_as_they_are():
    error = ConfigurationError("a\nb")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(other), other.args) == (ConfigurationError, (r"a\nb",))
