"""Hypothesis on shared machines: no deadlines; in CI the same examples each time, elsewhere new ones."""

import os

from hypothesis import settings

settings.register_profile("onward", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("onward")
