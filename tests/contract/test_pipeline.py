"""dvc.yaml tells DVC the whole truth: every module, every params section, every output."""

import ast
from pathlib import Path

import pytest
import yaml

from onward.params import Params
from onward.pipeline_file import parse_pipeline
from tools.stage_deps import expected_deps, listed_deps

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = PIPELINE["stages"]


def test_stages_are_those_of_the_design_in_order():
    assert list(STAGES) == [
        "fingerprint_source",
        "ingest",
        "correct_label_delay",
        "train_gnn",
        "calibrate_uncertainty",
        "fit_thresholds",
        "evaluate",
        "deploy",
        "monitor",
    ]


def test_every_imported_module_is_a_dependency_and_nothing_else_is():
    # Mend with: python -m tools.stage_deps --write
    pipeline = parse_pipeline((ROOT / "dvc.yaml").read_bytes())
    assert listed_deps(pipeline) == expected_deps(pipeline)


def tree_of(module: str) -> ast.Module:
    return ast.parse((ROOT / "src" / "onward" / "stages" / f"{module}.py").read_text())


def of_the_stages(module: str) -> dict[str, str]:
    """By the name it is called by, the module of stages/ that a stage's function comes from, imported or left a run."""
    imports = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.ImportFrom) and node.module]
    parts = {
        alias.name: node.module.removeprefix("onward.stages.")
        for node in imports
        if node.module.startswith("onward.stages.")
        for alias in node.names
    }
    whole = {
        f"{alias.name}.run": alias.name for node in imports if node.module == "onward.stages" for alias in node.names
    }
    return parts | whole


def handed_over(stage: str) -> set[str]:
    """Modules of stages/ whose functions a stage, or one of them in turn, gives its params to."""
    named = of_the_stages(stage)
    given = {
        named[ast.unparse(call.func)]
        for call in (node for node in ast.walk(tree_of(stage)) if isinstance(node, ast.Call))
        if ast.unparse(call.func) in named
        and any(isinstance(each, ast.Name) and each.id == "params" for each in call.args)
    }
    return given.union(*(handed_over(module) for module in given))


def params_read(stage: str) -> set[str]:
    """Sections that a stage reads, as `section`, and of those that dvc.yaml lists key by key the keys."""
    by_key = {name.split(".")[0] for name in STAGES[stage]["params"] if "." in name}
    read = set()
    for module in {stage, *handed_over(stage)}:
        nodes = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)]
        keys = {id(node.value): f"{node.value.attr}.{node.attr}" for node in nodes if of_params(node.value)}
        sections = [node for node in nodes if of_params(node)]
        read |= {keys.get(id(node), node.attr) if node.attr in by_key else node.attr for node in sections}
    return read


def of_params(node: ast.expr) -> bool:
    """Whether an expression is `params.section`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"


@pytest.mark.parametrize("stage", STAGES)
def test_every_section_or_key_of_params_a_stage_reads_is_listed_and_no_other(stage):
    # The runner itself reads run.threads for every stage.
    assert params_read(stage) | {"run"} == set(STAGES[stage]["params"])
    assert {name.split(".")[0] for name in STAGES[stage]["params"]} <= set(Params.model_fields)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_passes_no_section_inward(stage):
    # Config is unwrapped by the stage: `params.delay` may be read, never handed to domain code.
    # What other modules of stages/ do for a stage counts as the stage's own.
    calls = (node for node in ast.walk(tree_of(stage)) if isinstance(node, ast.Call))
    for call in (each for each in calls if ast.unparse(each.func) not in of_the_stages(stage)):
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            assert not (isinstance(argument, ast.Name) and argument.id == "params"), ast.unparse(call)
            is_section = (
                isinstance(argument, ast.Attribute)
                and isinstance(argument.value, ast.Name)
                and argument.value.id == "params"
            )
            assert not is_section, ast.unparse(call)


def paths(entries):
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def test_no_path_is_absolute_or_leaves_the_project():
    for stage in STAGES.values():
        for path in [*stage["deps"], *paths(stage["outs"]), *paths(stage["metrics"]), *paths(stage.get("plots", []))]:
            assert not Path(path).is_absolute()
            assert ".." not in Path(path).parts


def test_only_evaluate_may_read_the_backtest():
    readers = {name for name, stage in STAGES.items() if "artifacts/backtest" in stage["deps"]}
    assert readers == {"evaluate"}
    touching = {
        path.stem for path in (ROOT / "src" / "onward" / "stages").glob("*.py") if "layout.backtest" in path.read_text()
    }
    assert touching == {"ingest", "graph_ingest", "evaluate", "graph_evaluate", "related"}
    assert {"graph_evaluate", "related"} <= handed_over("evaluate")
    importers = {stage for stage in STAGES if handed_over(stage) & {"graph_ingest", "graph_evaluate", "related"}}
    assert importers == {"ingest", "evaluate"}
