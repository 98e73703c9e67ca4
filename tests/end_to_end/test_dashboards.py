"""What people see of a drift in a browser: every panel of the dashboard holds data, and the page says what to do."""

import os
import re
import shutil
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builders.chromium import chromium
from builders.local_services import LOOPBACK, end, listening_addresses, start
from builders.made_assessments import FIRST, write_assessment, write_list_weeks
from builders.registries import new_registry
from builders.tiny_bundle import make_bundle
from onward.deployment.bundle_files import bundle_hash, write_bundle
from onward.deployment.reasons import Reason
from onward.reporting.panels import parse_panels

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
AS_OF, SINCE = date(2017, 11, 20), date(2017, 10, 30)
PANELS = parse_panels((ROOT / "monitoring" / "panels.yaml").read_text())
BUCKETS = ["all", *(f"level {level}" for level in range(5)), *(f"signal {name}" for name in (
    "delay", "engagement", "volume", "scores", "labels")), "list goes_with", "list after"]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A shop whose version 2 has been watched for weeks, with a drift planted in level 3."""
    root = tmp_path_factory.mktemp("dashboards")
    shutil.copy(ROOT / "params.yaml", root)
    shutil.copytree(ROOT / "monitoring", root / "monitoring", ignore=shutil.ignore_patterns("workspace", "looks"))
    registry = new_registry(root / "mlruns")
    reasons = ("the first that passed", "passed: recall in the top 745 rows moves by +0.012 (-0.004 to +0.031)")
    for seed, as_of in enumerate(("2017-08-01", FIRST.isoformat())):
        write_bundle(root / f"bundle{seed}", make_bundle(seed))
        tags = {"source": "simulator", "as_of": as_of, "git_commit": f"{seed + 3}f" * 20, "run": f"{as_of}-{seed}a"}
        registry.register(root / f"bundle{seed}", bundle_hash(root / f"bundle{seed}"), tags, {})
        registry.promote(seed + 1, Reason(reasons[seed], "the gate"))
    for as_of in (date(2017, 11, 18), date(2017, 11, 19), AS_OF):
        write_assessment(root / "monitoring" / "looks", as_of, version=2, drift_level=3, drift_since=SINCE)
        write_list_weeks(root / "monitoring" / "looks", as_of, version=2)
    return root


@pytest.fixture(scope="module")
def addresses(project):
    process, printed = start(project, "dashboards", "--any-ports")
    assert listening_addresses(process) == LOOPBACK
    found = dict(re.findall(r"^(MLflow|Evidently|On call)\s+(http://127\.0\.0\.1:\S+)", printed, flags=re.MULTILINE))
    yield found
    end(process)


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def asked(browser):
    """A page whose every request is noted; whatever is not on loopback is refused, and fails the test."""
    hosts: list[str] = []

    def open_page(**kind):
        page = browser.new_page(**kind)
        page.set_default_timeout(60_000)

        def allow(route):
            hosts.append(urlsplit(route.request.url).hostname or "")
            if hosts[-1] in {"127.0.0.1", "localhost"}:
                route.continue_()
            else:
                route.abort()

        page.route(re.compile("^https?://"), allow)
        return page

    yield open_page
    assert hosts
    assert set(hosts) <= {"127.0.0.1", "localhost"}, sorted(set(hosts))


def picture(page, name, **kind):
    """Keep a picture for the docs, where somebody asked for it."""
    if folder := os.environ.get("ONWARD_SCREENSHOTS"):
        page.screenshot(path=Path(folder).resolve() / name, **kind)


def test_every_panel_of_the_dashboard_holds_data(addresses, asked):
    page = asked(viewport={"width": 1400, "height": 900})
    page.goto(addresses["Evidently"])
    page.get_by_text(PANELS.project).first.click()
    page.locator(".MuiLineElement-root").first.wait_for(state="attached")
    picture(page, "evidently-positivity.png")
    for tab in PANELS.tabs:
        assert page.get_by_text(tab.says).count() == 1
        for panel in PANELS.drawn(tab, BUCKETS):
            card = page.locator(".MuiCard-root").filter(has=page.get_by_role("heading", name=panel.title, exact=True))
            card.scroll_into_view_if_needed()
            lines = card.locator("path.MuiLineElement-root")
            lines.first.wait_for(state="attached")
            assert card.count() == 1, panel.title
            # One line a measure and bucket, each of which goes somewhere: an empty panel draws none.
            drawn = [line.get_attribute("d") or "" for line in lines.all()]
            assert len(drawn) == len(panel.lines), panel.title
            assert all(re.search(r"\d", path) for path in drawn), panel.title


@pytest.mark.parametrize(("name", "width", "height"), [("phone", 390, 844), ("desk", 1100, 1180)])
def test_the_page_for_on_call_shows_the_planted_drift_its_level_and_the_action(addresses, asked, name, width, height):
    page = asked(viewport={"width": width, "height": height})
    page.goto(addresses["On call"])
    verdict, action = page.locator("#verdict"), page.locator("#action")
    assert verdict.get_by_role("heading").inner_text() == "Level 3 has drifted since 30 October 2017"
    assert action.get_by_role("heading").inner_text() == "Refit the thresholds"
    # What matters is on the first screen, nothing lies off to the right, and no thumb misses a link.
    for part in (verdict, action.get_by_role("heading")):
        box = part.bounding_box()
        assert 0 <= box["y"] < box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert all(link.bounding_box()["height"] >= 36 for link in action.get_by_role("link").all())
    first = page.locator("#levels .card").first
    assert first.get_attribute("id") == "level-3"
    assert first.get_by_role("img").is_visible()
    picture(page, f"oncall-{name}.png")
    action.get_by_role("link", name="Runbook").click()
    assert page.locator("#runbook-drift-of-one-level").get_by_text("Confirm").is_visible()


def test_the_charts_draw_lines_without_markers_bands_and_tabs_that_work(addresses, asked):
    page = asked(viewport={"width": 1300, "height": 1000})
    page.goto(addresses["On call"])
    page.get_by_role("link", name="Charts").click()
    page.locator(".scatterlayer path.js-line").first.wait_for(state="attached")
    first = page.locator(".scatterlayer").count()
    assert page.locator(".scatterlayer .points path").count() == 0
    assert page.locator(".scatterlayer .fills path.js-fill").count() >= 5
    picture(page, "evidently-charts.png")
    page.get_by_role("tab", name="Lists").click()
    page.get_by_text("Goes with, lift at ten").wait_for()
    page.locator(".scatterlayer path.js-line").first.wait_for(state="attached")
    assert page.get_by_text("Level 0: predicted").count() == 0
    assert page.locator(".scatterlayer").count() != first
    picture(page, "evidently-lists.png")


def test_the_page_leads_to_the_model_in_mlflow_and_to_the_dashboard_in_evidently(addresses, asked):
    page = asked()
    page.goto(addresses["On call"])
    page.get_by_role("link", name="MLflow").click()
    page.get_by_text("Version 2").first.wait_for()
    assert page.url == f"{addresses['MLflow']}/#/models/onward/versions/2"
    page.goto(addresses["On call"])
    page.get_by_role("link", name="Evidently").click()
    page.locator(".MuiLineElement-root").first.wait_for(state="attached")
    assert page.url.startswith(f"{addresses['Evidently']}/projects/")
