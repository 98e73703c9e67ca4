"""Names that can be chosen are registered once, and each has what it names."""

from onward.choices import ESTIMATORS, GRAPH_SOURCES, SEARCHES, SOURCES
from onward.delay.estimators import FOR_RUNS
from onward.params import Sources
from onward.thresholds import searches


def test_every_name_has_an_implementation_and_every_implementation_a_name():
    assert list(ESTIMATORS) == list(FOR_RUNS)
    assert list(SEARCHES) == list(searches.SEARCHES)
    assert set(SOURCES) == set(Sources.model_fields)
    assert set(GRAPH_SOURCES) < set(SOURCES)
