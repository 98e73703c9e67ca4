"""What no stage, no command and no DAG can reach has no place in src."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grimp
import yaml

from tools.stage_deps import stage_module

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"


class Symbol(NamedTuple):
    """A function, class or other name at the top of a module."""

    module: str
    name: str


# Evidently keeps the calculation of each metric when its class is made, and MLflow asks a module for its loader: no
# name in our code reads either.
FOUND_BY_LIBRARIES = {
    Symbol("onward.reporting.evidently_pages", "LevelFigureCalculation"),
    Symbol("onward.reporting.evidently_watch", "OwnFiguresCalculation"),
    Symbol("onward.reporting.evidently_watch", "PanelChartsCalculation"),
    Symbol("onward.deployment.pyfunc_model", "_load_pyfunc"),
}


class Module:
    """One parsed file: what it defines at its top, what its names stand for, and what runs when it is imported."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self._imported = {
            alias.asname or alias.name: Symbol(node.module or "", alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        self.definitions: dict[str, ast.stmt] = {}
        self.run_at_import: list[ast.stmt] = []
        self.registered: list[str] = []
        for node in tree.body:
            match node:
                case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                    self.definitions[defined] = node
                    if any(self._registers(decorator) for decorator in node.decorator_list):
                        self.run_at_import.append(node)
                        self.registered.append(defined)
                case ast.Assign(targets=[ast.Name(id=defined)]) | ast.AnnAssign(target=ast.Name(id=defined)):
                    self.definitions[defined] = node
                case ast.Import() | ast.ImportFrom():
                    pass
                case _:
                    self.run_at_import.append(node)

    def uses(self, node: ast.AST) -> Iterator[Symbol]:
        """Every symbol that some code reads: by name, as an attribute of a module, or in code written as text."""
        for part in ast.walk(node):
            match part:
                case ast.Name(id=name, ctx=ast.Load()):
                    yield self._imported.get(name, Symbol(self.name, name))
                case ast.Attribute(value=ast.Name(id=base), attr=name) if base in self._imported:
                    yield Symbol(".".join(self._imported[base]), name)
                case ast.Constant(value=str() as text):
                    yield from (Symbol(*names) for names in re.findall(r"from (onward[\w.]*) import (\w+)", text))

    def _registers(self, decorator: ast.expr) -> bool:
        """Whether an object of this module takes the definition, as `app.command()` does."""
        match decorator:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
                return name not in self._imported and name in self.definitions
        return False


def _entry_points() -> set[Symbol]:
    """Where running begins: the stages' modules, the installed commands, and what the DAGs import."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stages = {Symbol(stage_module(stage["cmd"]), "run") for stage in pipeline["stages"].values()}
    commands = {Symbol(*command.split(":")) for command in project["scripts"].values()}
    imports = {
        Symbol(node.module, alias.name)
        for path in (ROOT / "dags").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onward.")
        for alias in node.names
    }
    return stages | commands | imports


def _reached_modules() -> tuple[set[str], set[str]]:
    """All modules, and those that an entry imports, itself or through others; a package comes with its modules."""
    graph = grimp.build_graph("onward", cache_dir=None)
    entries = {entry.module for entry in _entry_points()}
    reached = entries.union(*(graph.find_upstream_modules(entry) for entry in entries))
    packages = {name.rsplit(".", depth)[0] for name in reached for depth in range(1, name.count(".") + 1)}
    return set(graph.modules), reached | packages


def _file_of(module: str) -> Path:
    path = SOURCES.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_every_module_is_reached_from_a_stage_a_command_or_a_dag():
    modules, reached = _reached_modules()
    assert sorted(modules - reached) == []


def test_every_function_and_class_is_reached_from_a_stage_a_command_or_a_dag():
    modules = {name: Module(name, _file_of(name)) for name in _reached_modules()[1]}
    waiting = [use for module in modules.values() for node in module.run_at_import for use in module.uses(node)]
    waiting += [Symbol(module.name, name) for module in modules.values() for name in module.registered]
    waiting += [*_entry_points(), *FOUND_BY_LIBRARIES]
    reached: set[Symbol] = set()
    while waiting:
        symbol = waiting.pop()
        if symbol in reached or symbol.module not in modules:
            continue
        reached.add(symbol)
        module = modules[symbol.module]
        if symbol.name in module.definitions:
            waiting += module.uses(module.definitions[symbol.name])
    defined = {
        Symbol(module.name, name)
        for module in modules.values()
        for name, node in module.definitions.items()
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert sorted(f"{symbol.module}.{symbol.name}" for symbol in defined - reached) == []
