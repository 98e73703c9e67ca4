"""No two purposes draw the same random numbers."""

import ast
from collections import defaultdict
from pathlib import Path

from onward.random_streams import SimulatorStream, Stream

SOURCE = Path(__file__).resolve().parents[2] / "src" / "onward"


def named_streams():
    """Every call of `default_rng` with a list in src: its file and the streams that the list names."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                for words in (argument for argument in node.args if isinstance(argument, ast.List)):
                    yield path.relative_to(SOURCE).as_posix(), [
                        ast.unparse(word) for word in words.elts if isinstance(word, ast.Attribute)
                        and ast.unparse(word.value) in {"Stream", "SimulatorStream"}
                    ]  # fmt: skip


def test_every_draw_from_a_shared_seed_names_its_stream_and_no_other_module_draws_from_it():
    modules = defaultdict(set)
    for path, streams in named_streams():
        assert len(streams) == 1, path
        modules[streams[0]].add(path)
    assert {name: paths for name, paths in modules.items() if len(paths) > 1} == {}
    every = [f"{kind.__name__}.{name}" for kind in (Stream, SimulatorStream) for name in kind.__members__]
    assert sorted(modules) == sorted(every)


def test_no_two_purposes_share_a_number():
    for kind in (Stream, SimulatorStream):
        numbers = [member.value for member in kind.__members__.values()]
        assert len(numbers) == len(set(numbers))
