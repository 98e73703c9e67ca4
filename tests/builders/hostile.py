"""Values that nobody may get through the forms: commands, paths, line breaks, megabytes, wrong types, near misses."""

from typing import Any

MEGABYTE = 2**20
# Digits to Python's \d and to int(), but not those of a date.
WIDE = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}


def retrain_cases(canary: str) -> list[tuple[str, dict[str, Any]]]:
    """Return forms of retrain with one bad value each, by a short name; commands in them would make the canary file."""
    touch = f"touch {canary}"
    values: dict[str, list[Any]] = {
        "source": [
            f"; {touch}", f"$({touch})", f"`{touch}`", f"complete_journey; {touch}", f"simulator && {touch}",
            f"| {touch}", f"simulator\n{touch}", f"simulator\r\n{touch}", "simulator\n", "\nsimulator", " simulator",
            "simulator\x00", "SIMULATOR", "../simulator", "--help", "", "null", None, 7, True, ["simulator"],
            {"simulator": 1}, "A" * MEGABYTE,
        ],
        "as_of": [
            f"2017-11-20; {touch}", f"$({touch})", f"2017-11-20\n{touch}", "2017-11-20\n", "\n2017-11-20",
            "2017-11-20\u2028", "../../../etc/passwd", "2017-11-20/../../heads/main", "refs/heads/main", "2017-02-30",
            "2017-13-01", "0000-00-00", "20171120", "2017-W47-1", "2017-11-20".translate(WIDE), "2017-11-20T00:00:00",
            "latest", "--as-of", "", 20171120, 1.5, False, ["2017-11-20"], {}, "9" * MEGABYTE,
        ],
        "precision_target": [
            0, 1, -0.1, 1.5, 1e308, 10**400, float("nan"), float("inf"), float("-inf"), "0.1", f"0.1; {touch}",
            f"$({touch})", "", True, [0.1], {"$gt": 0}, "9" * MEGABYTE,
        ],
        "estimator": [
            f"soft_label; {touch}", f"$({touch})", f"__import__('os').system('{touch}')",
            f"!!python/object/apply:os.system ['{touch}']", f"{{{{ macros.os.system('{touch}') }}}}",
            "soft_label\nrun:\n  source: parquet", "soft_label\n", "oracle", "SOFT_LABEL", "", 3, True, ["soft_label"],
            {"soft_label": None}, "x" * MEGABYTE,
        ],
        "search": [
            f"single; {touch}", f"$({touch})", "single\n", "AUTO", "best", "", 1, False, ["single"], {"auto": None},
            "s" * MEGABYTE,
        ],
        "popularity_weight": [
            -0.1, 1.5, 1e308, float("nan"), float("inf"), "0.1", f"0.1; {touch}", "", True, [0.1], {"$gt": 0},
            "9" * MEGABYTE,
        ],
        "degree_power": [
            -0.1, 4.5, 1e308, float("nan"), float("inf"), "0.5", f"0.5; {touch}", "", True, [0.5], {"$gt": 0},
            "9" * MEGABYTE,
        ],
        "run_from": [
            f"deploy; {touch}", f"$({touch})", f"ingest\n{touch}", "ingest\n", "../ingest", "--force", "-f",
            "ingest --no-commit", "ingest\u2029", "nosuchstage", "", 0, True, ["ingest"], "i" * MEGABYTE,
        ],
        "dry_run": ["true", "false", 0, 1, None, f"; {touch}", [], {}, "t" * MEGABYTE],
    }  # fmt: skip
    return [
        (f"{key}-{number}-{str(value)[:24]!r}", {key: value})
        for key, chosen in values.items()
        for number, value in enumerate(chosen)
    ]


def promote_cases(canary: str) -> list[tuple[str, dict[str, Any]]]:
    """Return forms of promote with something bad in each."""
    good = {"action": "promote", "version": 1, "reason": "the gate was too strict here"}
    return [
        ("no-action", {key: good[key] for key in ("version", "reason")}),
        ("no-reason", {key: good[key] for key in ("action", "version")}),
        ("nothing", {}),
        *(
            (f"{key}-{number}-{str(value)[:24]!r}", good | {key: value})
            for key, values in {
                "action": ["delete", f"promote; touch {canary}", "promote\n", "", None, 1, ["promote"]],
                "version": [0, -1, 1.5, "1", f"1; touch {canary}", True, [1], 10**30, "1" * MEGABYTE],
                "expected": [-1, 1.5, "1", f"1; touch {canary}", True, [1], 10**30],
                "reason": ["too short", "", None, 7, "two lines\nof reasons", "ends in a break\n", "r" * 501,
                           "null \x00 byte in it", "r" * MEGABYTE, ["a reason in a list"]],
            }.items()
            for number, value in enumerate(values)
        ),
    ]  # fmt: skip
