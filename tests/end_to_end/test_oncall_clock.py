"""The page for on-call knows how old it is when it is opened, under a policy that lets nothing else run."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from builders.chromium import chromium
from builders.made_assessments import FIRST, write_assessment
from onward.daily import oncall
from onward.daily.assessment_history import AssessmentHistory
from onward.daily.look_log import record_look
from onward.deployment.registry import Version
from onward.monitoring.open_alerts import Trouble
from onward.reporting.oncall_page import Links

ROOT = Path(__file__).resolve().parents[2]
AS_OF = date(2017, 11, 20)
MADE = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)


class Registered:
    """As much of a registry as the page needs."""

    def champion(self):
        return Version(2, "b" * 64, "run", {"source": "simulator", "as_of": "2017-10-09"})

    def versions(self):
        return (self.champion(),)


@pytest.fixture
def page(tmp_path):
    monitoring = tmp_path / "monitoring"
    monitoring.mkdir()
    for name in ("monitoring/alerts.yaml", "monitoring/runbook.md", "params.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    write_assessment(monitoring / "looks", AS_OF, version=2, first=FIRST)
    said = {"version": 2, "as_of": str(AS_OF), "verdict": "ok", "reason": "every level as promised"}
    record_look(monitoring / "looks", said, MADE - timedelta(minutes=4))
    history = AssessmentHistory(monitoring / "looks", monitoring / "actions", tmp_path / "artifacts" / "monitoring")
    history.alert_log.find(Trouble("drift", 2, "warning", "<img src=x onerror=alert(1)>", ""), AS_OF, MADE)
    path = tmp_path / "reports" / "oncall.html"
    oncall.write_page(oncall.MonitoredProject(tmp_path, history, Registered()), path, Links(), MADE)
    # What somebody managed to write into it must not run.
    path.write_text(path.read_text().replace("</main>", "<script>document.title = 'broken'</script></main>"))
    return path.as_uri()


@pytest.mark.slow
def test_a_page_that_was_fresh_when_it_was_made_says_that_it_is_stale_once_it_is(page):
    with chromium() as browser:
        opened = browser.new_page()
        refused = []
        opened.on("console", lambda message: refused.append(message.text))
        opened.clock.install(time=MADE + timedelta(hours=3))
        opened.goto(page)
        assert opened.title() == "On call: Every level keeps its promise"
        assert not opened.locator("#stale").is_visible()
        assert "3 h ago" in opened.locator("#watching").inner_text()
        # Left open over night.
        opened.clock.fast_forward("24:00:00")
        assert opened.locator("#stale").is_visible()
        assert "27 h ago" in opened.locator("#stale").inner_text()
        assert opened.title() == "STALE: On call: Every level keeps its promise"
        assert (
            "27 h ago" in opened.locator("#alerts").inner_text() or "26 h ago" in opened.locator("#alerts").inner_text()
        )
        assert any("Content Security Policy" in text for text in refused)
        opened.set_viewport_size({"width": 360, "height": 780})
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360
