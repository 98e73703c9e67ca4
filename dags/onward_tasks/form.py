r"""The forms that people fill in. Airflow draws them, and refuses values that break them with status 400.

JSON Schema patterns are searched for, Python's `$` matches before a last newline and `\d` matches any script's digits:
hence `^`, `$(?!\n)` and `[0-9]`.
"""

from typing import Any

from airflow.sdk import Param

from onward.choices import AUTO, ESTIMATORS, SEARCHES, SOURCES

# Of the years that a shop's log can hold, as `onward.params` has them.
DAY = r"^(19[7-9]|2[01][0-9])[0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$(?!\n)"
ONE_LINE = r"^[^\x00-\x1f\x7f\u0085\u2028\u2029]+$(?!\n)"


def retrain_form(pipeline: dict[str, Any], params: dict[str, Any]) -> dict[str, Param]:
    """Return the form of a training run.

    Args:
        pipeline: the stages of dvc.yaml by name, for the choice of the first stage.
        params: params.yaml, for the default source and for what the descriptions say.
    """
    thresholds, delay = params["thresholds"], params["delay"]
    return {
        "source": Param(
            params["run"]["source"],
            type="string",
            enum=[*SOURCES],
            title="Source",
            description="Where the log comes from; each source's own settings are in params.yaml.",
        ),
        "as_of": Param(
            None,
            type=["string", "null"],
            format="date",
            pattern=DAY,
            title="As of",
            description="The run's clock, a day such as 2017-11-20: nothing at or after it is known. Empty: the end of "
            "the data interval for scheduled and backfilled runs, else the last day the log allows.",
        ),
        "precision_target": Param(
            # NaN is below, at and above nothing: only a rule that must not hold stops it.
            None,
            **{"not": {"type": "number", "minimum": 1}},
            type=["number", "null"],
            exclusiveMinimum=0,
            exclusiveMaximum=1,
            title="Precision target",
            description="Share of shown recommendations that should convert, above 0 and below 1. Empty: as in "
            f"params.yaml, {thresholds['precision_target']}.",
        ),
        "estimator": Param(
            None,
            type=["string", "null"],
            enum=[None, AUTO, *ESTIMATORS],
            title="Delay estimator",
            values_display={"null": f"as in params.yaml ({delay['estimator']})"},
            description="What a label that has not arrived yet is worth.",
        ),
        "search": Param(
            None,
            type=["string", "null"],
            enum=[None, AUTO, *SEARCHES],
            title="Threshold search",
            values_display={"null": f"as in params.yaml ({thresholds['search']})"},
            description="How score cuts are found; auto takes one, of scores recalibrated where doubt pays.",
        ),
        "popularity_weight": _number_up_to(
            1,
            title="Weight on popularity",
            description="0 lists what is most related first, 1 what is most probable. Empty: as in params.yaml, "
            f"{params['ranking']['popularity_weight']}.",
        ),
        "degree_power": _number_up_to(
            4,
            title="Neighbours by degree",
            description="0 samples so many neighbours of every product; above 0 as many in all, but more where a "
            f"product has few. Empty: as in params.yaml, {params['encoder']['degree_power']}.",
        ),
        "run_from": Param(
            None,
            type=["string", "null"],
            enum=[None, *pipeline],
            title="Run again from",
            values_display={"null": "only what changed"},
            description="Run this stage and those after it even if nothing changed.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Only say in the log of `start` which stages would run.",
        ),
    }


def _number_up_to(most: int, title: str, description: str) -> Param:
    """A number from 0 to `most`, or nothing."""
    # NaN is below, at and above nothing: only a rule that must not hold stops it.
    above = {"type": "number", "exclusiveMinimum": most}
    return Param(
        None,
        **{"not": above},
        type=["number", "null"],
        minimum=0,
        maximum=most,
        title=title,
        description=description,
    )


def promote_form() -> dict[str, Param]:
    """Return the form of a change by hand; action and reason have no default, so that nobody changes by mistake."""
    return {
        "action": Param(
            type="string",
            enum=["promote", "roll_back"],
            title="Action",
            values_display={"promote": "Put a version in use", "roll_back": "Return to the version before"},
            description="Promote puts the version below in use, whatever the gate said of it.",
        ),
        "version": Param(
            None,
            type=["integer", "null"],
            minimum=1,
            maximum=10**9,
            title="Version",
            description="A registered version; only for promote.",
        ),
        "expected": Param(
            None,
            type=["integer", "null"],
            minimum=0,
            maximum=10**9,
            title="Version in use",
            description="What is in use now (0: nothing); is it another when the task runs, nothing is changed. Roll "
            "back needs it; empty for promote: whatever is in use.",
        ),
        "reason": Param(
            type="string",
            minLength=10,
            maxLength=500,
            pattern=ONE_LINE,
            title="Reason",
            description="Why, in one line of at least 10 characters; kept with the version.",
        ),
    }
