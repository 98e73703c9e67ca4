"""The page at `/` of the service in a browser: by keyboard, at a desk's and a phone's width, and with a hostile name.

ONWARD_SCREENSHOTS=FOLDER keeps its pictures; ONWARD_SCREENSHOTS_OF=ADDRESS takes them of another service's page.
"""

import dataclasses
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import expect

from builders.chromium import chromium
from builders.served_app import Shelf
from builders.tiny_bundle import NAMES, make_bundle
from onward.deployment.bundle_files import write_bundle
from onward.reporting.service_page import service_page
from onward.services.local import free_port
from onward.serving.app import make_app
from onward.serving.protection import Keys
from onward.serving.service import Service

pytestmark = pytest.mark.end_to_end

HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script> Butter"
KEY = "a key of the shop's own"
SIZES = pytest.mark.parametrize(("name", "width", "height"), [("phone", 390, 844), ("desk", 1280, 900)])
# Whatever reaches beyond the window.
BEYOND = """[...document.querySelectorAll('body *:not(.skip)')].filter(element =>
    element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML)"""


@contextmanager
def serving(folder: Path, keys: Keys | None = None) -> Iterator[tuple[str, Service]]:
    """The address of a service over one tiny bundle, whose fourth product has a hostile name."""
    bundle = make_bundle(0, cuts=(0.3, 0.39))
    names = [HOSTILE if name == "Butter" else name for name in NAMES]
    write_bundle(folder / "bundle", dataclasses.replace(bundle, products=bundle.products.assign(name=names)))
    service = Service(Shelf(folder / "bundle"), folder / "served", every=3600.0, flush_seconds=0.01, keys=keys)
    port = free_port(0)
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(make_app(service, service_page()), port=port, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(60)
        assert service.champion.looked(60)
        yield f"http://127.0.0.1:{port}/", service
    finally:
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service")) as address_and_service:
        yield address_and_service


@pytest.fixture(scope="module")
def address(served):
    return served[0]


@contextmanager
def opened(browser, address, width=1280, height=900, **settings):
    """A page that asks nobody but its service and breaks no rule of its own, or the test fails."""
    page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce", **settings)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    # What the policy stops is told on the console.
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.goto(address)
    yield page
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(address).netloc}
    assert errors == []
    page.close()


def names_of(page, name):
    return page.locator(f"#list-{name} li a").all_inner_texts()


def heading(page):
    return page.locator("#name")


def test_a_product_is_searched_and_opened_by_keyboard_alone(browser, address):
    with opened(browser, address) as page:
        page.get_by_role("heading", name="What goes with what").wait_for()
        page.keyboard.press("/")
        page.keyboard.type("mlik")  # typing errors are forgiven
        page.get_by_role("listbox", name="Products named mlik").wait_for()
        assert page.get_by_role("combobox").get_attribute("aria-expanded") == "true"
        offered = page.get_by_role("option").all_inner_texts()
        for _ in range(1 + next(place for place, text in enumerate(offered) if "Whole" in text)):
            page.keyboard.press("ArrowDown")
        active = page.get_by_role("combobox").get_attribute("aria-activedescendant")
        assert "Whole Milk" in page.locator(f"#{active}").inner_text()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Whole Milk").wait_for()
        assert page.evaluate("document.activeElement.id") == "name"
        assert urlsplit(page.url).query == "product=p0"
        # A node of the drawing opens by Enter too, and the browser's way back leads back.
        page.locator("#map a.node", has_text="Bread").first.focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Bread").wait_for()
        page.go_back()
        page.get_by_role("heading", name="Whole Milk").wait_for()


def test_the_lists_say_chance_doubt_decision_and_why_not(browser, served):
    address, service = served
    with opened(browser, f"{address}?product=p0") as page:
        page.locator("#lists li").first.wait_for()
        assert names_of(page, "goes_with") == ["Bread", "Candles", "Jam, Strawberry"]
        assert names_of(page, "instead") == ["Oat Milk"]
        assert "Nothing is known" in page.locator("#list-before").inner_text()
        bread, candles, jam = (page.locator("#list-goes_with li").nth(place) for place in range(3))
        assert re.search(r"\d+ %\s*, between \s*\d+ to \d+", bread.locator(".chance").text_content())
        assert "show" in bread.locator(".decision").inner_text()
        assert "unsure" in bread.locator(".doubt").inner_text()
        assert "in 20 baskets together" in bread.inner_text()
        assert bread.get_by_text("Why not shown").count() == 0
        widths = bread.locator(".bar rect").evaluate_all("rects => rects.map(rect => rect.width.baseVal.value)")
        assert 0 < widths[1] < widths[0]
        candles.get_by_text("Why not shown").click()
        assert "home after dairy) was ever shown" in candles.locator("details p").inner_text()
        jam.get_by_text("Why not shown").click()
        assert re.search(
            r"unsure \(level 1\)\. Its score .* is below the cut 0\.39 of level 1",
            jam.locator("details p").inner_text(),
        )
        champion = page.locator("#champion").inner_text()
        assert "Version 1" in champion
        assert "2017-11-20" in champion
        assert "years old" in champion
        assert service.decisions.problem is None


def test_the_slider_reorders_and_the_address_keeps_its_place(browser, address):
    with opened(browser, f"{address}?product=p0") as page:
        page.locator("#lists li").first.wait_for()
        slider = page.get_by_role("slider", name="Order of the lists")
        slider.focus()
        page.keyboard.press("End")
        expect(page.locator("#list-goes_with li a")).to_have_text(["Bread", "Jam, Strawberry", "Candles"])
        assert names_of(page, "after") == ["Bread", "Candles"]  # direction orders it, which no weight changes
        assert "weight=1" in page.url
        assert "most probable" in slider.get_attribute("aria-valuetext")
        assert page.evaluate("document.activeElement.id") == "weight"
        page.reload()
        page.locator("#lists li").first.wait_for()
        assert names_of(page, "goes_with") == ["Bread", "Jam, Strawberry", "Candles"]
        page.get_by_role("button", name="As deployed").click()
        expect(page.locator("#list-goes_with li a")).to_have_text(["Bread", "Candles", "Jam, Strawberry"])
        assert "weight" not in page.url


def test_the_neighbourhood_has_after_at_the_right_and_before_at_the_left(browser, address):
    with opened(browser, f"{address}?product=p2") as page:
        page.locator("#map svg").wait_for()
        middle = page.locator("#map .centre").bounding_box()

        def boxes(way):
            nodes = page.locator(f"#map a[aria-label*='{way}']")
            return [node.bounding_box() for node in nodes.all()]

        assert all(box["x"] > middle["x"] + middle["width"] for box in boxes("bought after"))
        assert all(box["x"] + box["width"] < middle["x"] for box in boxes("bought before"))
        assert [len(boxes(way)) for way in ("bought after", "bought before", "goes with it")] == [2, 2, 3]
        assert page.locator("#map path.arrow[marker-end]").count() == 4
        assert {"12", "6", "9", "4", "214"} <= set(page.locator("#map .count").all_text_contents())


@SIZES
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_runs_over_the_edge_of_the_page(browser, address, name, width, height, theme):
    with opened(browser, f"{address}?product=p2", width, height, color_scheme=theme) as page:
        page.locator("#map svg").wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(BEYOND) == []
    pictured = os.environ.get("ONWARD_SCREENSHOTS_OF", f"{address}?product=p0")
    if (folder := os.environ.get("ONWARD_SCREENSHOTS")) and theme == "light":
        with opened(browser, pictured, width, height) as page:
            page.locator("#map svg").wait_for()
            page.get_by_text("Why not shown").first.click()
            page.screenshot(path=Path(folder).resolve() / f"service-{name}.png", full_page=name == "desk")


def test_a_name_is_text_wherever_it_stands(browser, address):
    with opened(browser, f"{address}?product=p2") as page:
        page.locator("#map svg").wait_for()
        assert names_of(page, "goes_with")[0] == HOSTILE
        page.get_by_role("combobox").fill("butter")
        page.get_by_role("listbox", name="Products named butter").get_by_role("option").first.click()
        page.get_by_role("heading", name=HOSTILE).wait_for()
        assert page.title() == f"{HOSTILE}: Onward"
        assert page.locator("main img, #suggestions img, main script").count() == 0


def test_a_policy_lets_nothing_run_but_the_pages_own_script(browser, address):
    page = browser.new_page()
    policy = page.goto(address).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.get_by_role("heading", name="What goes with what").wait_for()
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = "document.title = 'taken'";
        document.body.append(script);
    }""")
    assert page.title() == "Onward: related products"
    page.close()


def test_problems_stand_in_a_banner(browser, tmp_path):
    with serving(tmp_path) as (address, service):
        service.champion.state = dataclasses.replace(service.champion.state, problem="registry: out of reach")
        with opened(browser, f"{address}?product=p0") as page:
            banner = page.get_by_role("alert").filter(has_text="out of reach")
            banner.wait_for()
            assert "Version 1 answers on" in banner.inner_text()
            page.locator("#lists li").first.wait_for()
            page.goto(f"{address}?product=nobody")
            page.get_by_text("no product 'nobody'").wait_for()


def test_the_key_is_asked_once_and_sent_from_then_on(browser, tmp_path):
    (tmp_path / "keys").write_text(KEY)
    with serving(tmp_path, Keys(tmp_path / "keys")) as (address, _), opened(browser, f"{address}?product=p0") as page:
        page.get_by_role("textbox", name="Key").fill("not the right key")
        page.keyboard.press("Enter")
        page.get_by_text("not one that the service knows").wait_for()
        page.get_by_role("textbox", name="Key").fill(KEY)
        page.keyboard.press("Enter")
        page.locator("#lists li").first.wait_for()
        page.reload()
        page.locator("#lists li").first.wait_for()
        assert page.get_by_role("dialog").count() == 0
        assert KEY not in page.url
