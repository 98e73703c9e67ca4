"""Set-up of every test run: Hypothesis without deadlines, a Ctrl-C that reaches what tests start, what is measured."""

import os
import signal

import pytest
from hypothesis import settings

from builders import measured

# On shared machines: no deadlines; in CI the same examples each time, elsewhere new ones.
settings.register_profile("onward", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.register_profile("quick", settings.get_profile("onward"), max_examples=25)
settings.load_profile("onward")

# In the background of a script a run begins with SIGINT ignored, and so would everything that tests end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _unmeasured_processes() -> None:
    measured.take_from()
