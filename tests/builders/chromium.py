"""A browser for tests, which tells what a page asked for and of whom."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Debian's Chromium, or the one that ONWARD_CHROMIUM names."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("ONWARD_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.fail("no Chromium to drive: `apt-get install chromium`, or name one with ONWARD_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
