"""The one place where the files that Onward's modules share are named."""

from dataclasses import dataclass
from pathlib import Path

PARAMS_FILE = "params.yaml"
RUN_FILE = "run.json"
"""At the root of a run's branch: what it was asked, and how it ended."""


class _Named:
    """The path of a file by its name below the owner's `root`, so that a file is named once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: "_Folder", owners: type) -> Path:
        return owner.root / self.name


@dataclass(frozen=True)
class _Folder:
    root: Path


class LogFiles(_Folder):
    """The tables of a log as ingest writes them, once of what was known at as_of and once of what came after."""

    products = _Named("products.parquet")
    customers = _Named("customers.parquet")
    purchases = _Named("purchases.parquet")
    impressions = _Named("impressions.parquet")
    conversions = _Named("conversions.parquet")
    engagements = _Named("engagements.parquet")
    features = _Named("features.parquet")
    categories = _Named("categories.json")


class Layout(_Folder):
    """Where each room's files live under the project root; see dvc.yaml for who writes what.

    Files that more than one module reads or writes are named here; a file that only its own module knows is named
    there, below the room's folder.
    """

    params = _Named(PARAMS_FILE)
    stage_failure = _Named(".onward/stage_failure.json")
    outcomes = _Named("artifacts/delay/outcomes.parquet")
    labels = _Named("artifacts/delay/labels.parquet")
    delay_answer = _Named("artifacts/delay/question.json")
    direction_answer = _Named("artifacts/model/direction.json")
    trained_on = _Named("artifacts/model/trained_on.json")
    edges = _Named("artifacts/model/edges.parquet")
    scores = _Named("artifacts/uncertainty/scores.parquet")
    levels = _Named("artifacts/uncertainty/levels.json")
    policy = _Named("artifacts/thresholds/policy.json")
    searches = _Named("artifacts/thresholds/searches.json")
    doubt_answer = _Named("artifacts/uncertainty/question.json")
    predictions = _Named("artifacts/evaluation/predictions.parquet")
    judged_lists = _Named("artifacts/evaluation/lists.parquet")
    gate_rows = _Named("artifacts/evaluation/gate_rows.parquet")
    gate_answers = _Named("artifacts/evaluation/gate_answers.parquet")
    gate_chance = _Named("artifacts/evaluation/gate_chance.parquet")
    results = _Named("artifacts/evaluation/results.json")
    graph_headline = _Named("artifacts/evaluation/headline.json")
    bundle = _Named("artifacts/deployment/bundle")
    deployment_record = _Named("artifacts/deployment/deployment.json")
    daily_positivity = _Named("artifacts/monitoring/daily.parquet")
    verdict = _Named("artifacts/monitoring/verdict.json")
    report_page = _Named("reports/index.html")
    positivity_page = _Named("reports/positivity.html")
    oncall_page = _Named("reports/oncall.html")

    @property
    def serving_log(self) -> LogFiles:
        """The tables in `serving`."""
        return LogFiles(self.serving)

    @property
    def backtest_log(self) -> LogFiles:
        """The tables in `backtest`."""
        return LogFiles(self.backtest)

    def metric(self, name: str) -> Path:
        """The JSON file in `metrics` that a stage writes."""
        return self.metrics / f"{name}.json"

    def plot(self, name: str) -> Path:
        """The CSV file of a plot in `plots`."""
        return self.plots / f"{name}.csv"

    def passed_through(self, room: str) -> Path:
        """The note that a stage with nothing to do for a source leaves in the place of its outputs."""
        return self.root / "artifacts" / room / "passed_through.json"

    @property
    def source(self) -> Path:
        """Hashes of the files that the source reads; ingest depends on them."""
        return self.root / "artifacts" / "source"

    @property
    def serving(self) -> Path:
        """Everything that was known at as_of; every stage may read it."""
        return self.root / "artifacts" / "serving"

    @property
    def backtest(self) -> Path:
        """What happened at and after as_of; only the evaluate stage may read it."""
        return self.root / "artifacts" / "backtest"

    @property
    def quarantine(self) -> Path:
        """Rows that broke the contract, one file a table, with their reason."""
        return self.root / "artifacts" / "quarantine"

    @property
    def delay(self) -> Path:
        """What each unfinished label is worth, and the model that says so."""
        return self.root / "artifacts" / "delay"

    @property
    def model(self) -> Path:
        """The product graph, its embeddings and the scorer's heads."""
        return self.root / "artifacts" / "model"

    @property
    def uncertainty(self) -> Path:
        """Calibrator, uncertainty levels and the scores of held-out customers."""
        return self.root / "artifacts" / "uncertainty"

    @property
    def thresholds(self) -> Path:
        """The decision policy and the searches it was chosen from."""
        return self.root / "artifacts" / "thresholds"

    @property
    def evaluation(self) -> Path:
        """Backtest results and the rows on which the gate compares two models."""
        return self.root / "artifacts" / "evaluation"

    @property
    def deployment(self) -> Path:
        """The deployable bundle and the record of the gate's verdict."""
        return self.root / "artifacts" / "deployment"

    @property
    def monitoring(self) -> Path:
        """Positivity per uncertainty level, as known at as_of."""
        return self.root / "artifacts" / "monitoring"

    @property
    def metrics(self) -> Path:
        """Small JSON files for `dvc metrics`, one a stage, tracked by git."""
        return self.root / "metrics"

    @property
    def plots(self) -> Path:
        """Small CSV files for `dvc plots`, tracked by git."""
        return self.root / "plots"

    @property
    def reports(self) -> Path:
        """Pages for people, rendered after the run; not versioned."""
        return self.root / "reports"

    @property
    def registry(self) -> Path:
        """The local MLflow registry: a SQLite file and its artifacts; not versioned by DVC."""
        return self.root / "mlruns"
