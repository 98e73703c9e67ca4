"""Related products at three clocks: what Onward lists against every baseline, by hits and by lift at equal hits.

At each clock the pipeline's own ingest reads and splits the log. Queries (basket, product) are drawn from test
households' orders of the eleven days after; the others of the same basket and what is newly bought within thirty days
are relevant, apart. Baselines know every purchase before the clock, and their settings are picked on queries of
selection households that were answered before it. Figures are means over clocks and those of each clock, with
intervals over households; a difference to the best baseline, as selection households named it, is paired.

Ingest and the baselines' lists are kept in artifacts/benchmarks/related; --fresh forgets them.
"""

import shutil

from rich.console import Console

from benchmarks.harness.form import ROOT, Finding, publish
from benchmarks.related import onward as adapter
from benchmarks.related import peers
from benchmarks.related.clocks import CLOCKS, STORE, command_line
from benchmarks.related.contest import AtClock, Contest
from benchmarks.related.picture import draw

PICTURE = ROOT / "docs" / "images" / "related_frontier.svg"


def main() -> None:
    """Run what is missing, compare, draw and publish."""
    arguments = command_line(__doc__)
    arguments.add_argument("--seed", type=int, default=20171120)
    arguments.add_argument("--fresh", action="store_true", help="forget ingested clocks and baselines' lists")
    asked = arguments.parse_args()
    if asked.fresh:
        shutil.rmtree(STORE, ignore_errors=True)
    if not peers.installed():
        Console(stderr=True).print(f"implicit's BM25, cosine and ALS are left out: {peers.MISSING}", highlight=False)
    at_clocks = [AtClock.of(day, asked.seed, asked.threads) for day in asked.clocks]
    contest = Contest(at_clocks, asked.samples, asked.seed)
    publish(Finding("related", [asked.seed], contest.rows(), contest.claims()))
    if list(asked.clocks) == list(CLOCKS):
        draw(PICTURE, contest.panels(), adapter.NAME)


if __name__ == "__main__":
    main()
