"""The report in a browser: lists come first, and nothing runs over the edge of a desk's or a phone's page."""

import dataclasses
import os
from pathlib import Path

import pytest

from builders.chromium import chromium
from builders.report_texts import TACOS, content, entry
from onward.reporting.run_report import render_report

pytestmark = pytest.mark.end_to_end

LONG = dataclasses.replace(
    TACOS, name="SFT/DRNK/MLT-PK/BTL/CARB(EXCP_" * 3, goes_with=tuple(entry(f"X{number}_" * 30) for number in range(5))
)
SIZES = pytest.mark.parametrize(("name", "width", "height"), [("phone", 390, 844), ("desk", 1280, 900)])

# Elements that reach beyond the window, but for those in a box that scrolls by itself.
BEYOND = """[...document.querySelectorAll('main *')].filter(each =>
    each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll, pre')).map(each => each.outerHTML)"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(render_report(content(related=(TACOS, LONG, TACOS))), encoding="utf-8")
    return path.as_uri()


@SIZES
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_runs_over_the_edge_of_the_page(browser, address, name, width, height, theme):
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
    page.goto(address)
    for opened in page.locator("summary").all():
        opened.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BEYOND) == []
    for box in page.locator(".scroll").all():
        assert box.evaluate("box => getComputedStyle(box).overflowX") == "auto"
    if name == "desk":
        assert page.evaluate(
            "[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)"
        )
    if folder := os.environ.get("ONWARD_SCREENSHOTS"):
        page.screenshot(path=Path(folder).resolve() / f"report-{name}-{theme}.png", full_page=True)
    page.close()


@SIZES
def test_the_first_screen_holds_the_first_list(browser, address, name, width, height):
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address)
    first = page.locator("#related .product").first
    assert first.get_by_text("taco <seasoning>").bounding_box()["y"] < height
    assert first.get_by_text("in 214 baskets together, 9.2 times chance").first.is_visible()
    page.get_by_role("link", name="judged below").click()
    assert page.locator("#lists h2").bounding_box()["y"] < height
    page.close()
