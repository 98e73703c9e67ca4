"""Inputs that nobody meant, door by door: command line, form, HTTP, files, environment. Each must be refused aloud."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MEGABYTE = 2**20
AS_OF = "2017-03-31"
# Digits to Python, but not those of a date.
_WIDE = "2017-11-20".translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
_SHELL = ("; touch canary", "$(touch canary)", "`touch canary`", "x\ny", "\x1b[31m", "../../etc/passwd", "-rf")

Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class CommandCase:
    """A command on a project that one thing is wrong with.

    Attributes:
        door: cli, request, file or environment.
        name: what is wrong, in a few words.
        words: of the command.
        feed: its standard input.
        variables: of its environment.
        spoil: changes the project's files first.
        warned: it goes on, and a warning names this; empty where it must be refused.
    """

    door: str
    name: str
    words: Sequence[str]
    feed: bytes = b""
    variables: Mapping[str, str] = field(default_factory=dict)
    spoil: Spoil | None = None
    warned: str = ""


@dataclass(frozen=True)
class HttpCase:
    """A request that the service must refuse with a status from 400 to 499."""

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def of_the_command_line() -> Iterator[CommandCase]:
    """Words that a person or a script may type."""

    def case(name: str, *words: str, feed: bytes = b"") -> CommandCase:
        return CommandCase("cli", name, words, feed)

    days = ("0001-01-01", "9999-12-31", "1969-12-31", "2017-02-30", "20171120", _WIDE, "tomorrow", "", "-1")
    for day in days:
        yield case(f"monitor as of {day!r}", "monitor", f"--as-of={day}", "--version=3")
        yield case(f"score of {day!r}", "score", f"--day={day}")
        yield case(f"replay from {day!r}", "replay", f"--from={day}", "--to=2017-11-20")
    for number in ("0", "-1", "1.5", "1e3", "", "9" * 30, "three"):
        yield case(f"promote {number!r}", "promote", "--reason=a reason that is long enough", "--", number)
        yield case(f"lineage {number!r}", "lineage", "--", number)
        yield case(f"monitor version {number!r}", "monitor", f"--as-of={AS_OF}", f"--version={number}")
    for reason in ("", "short", "two\nlines of reason", "r" * 501, "null byte \x01 in it"):
        yield case(f"rollback because {reason[:20]!r}", "rollback", f"--reason={reason}")
    for text in _SHELL:
        yield case(f"stage of run {text!r}", "run", "stage", "--", text, "ingest")
        yield case(f"finish run {text!r}", "run", "finish", "--", text)
        yield case(f"reproduce {text!r}", "reproduce", "--", text)
        yield case(f"stage {text!r}", "run", "stage", "2017-11-20-3f2a9c1b", "--", text)
    for metric in ("auc", "auc>>1", "auc>=x", "=1", ";>=1"):
        yield case(f"find metric {metric!r}", "find", f"--metric={metric}")
    for every in ("0d", "-7d", "7w", "1e3d", "", "9" * 30, "\N{ARABIC-INDIC DIGIT SEVEN}d"):
        yield case(f"replay every {every!r}", "replay", "--from=2017-05-01", "--to=2017-11-20", f"--every={every}")
    for words in (("gc",), ("gc", "--keep=0"), ("gc", "--keep=-1"), ("gc", "--keep=1", "--older=-1"), ("nosuch",)):
        yield case(" ".join(words), *words)


def of_act() -> Iterator[CommandCase]:
    """What may come to `onward act` on its standard input."""
    good = {"verdict": "ok", "version": 3, "as_of": AS_OF}
    texts: list[bytes] = [
        b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"\xff\xfe\x00", b"{}", b"[]", b"null", b'"ok"', b"NaN", b"{",
        b'{"version": Infinity}', b'{"version": 1e999}', b"x" * MEGABYTE, b'{"a": 1} trailing',
        b'{"verdict": "ok", "version": 3, "version": 4, "as_of": "2017-03-31"}',
    ]  # fmt: skip
    changes: list[dict[str, Any]] = [
        {"version": 3.7}, {"version": True}, {"version": "3"}, {"version": None}, {"verdict": "fine"},
        {"verdict": ["ok"]}, {"as_of": "9999-99-99"}, {"as_of": 7}, {"levels": 7}, {"levels": [7]}, {"signals": "x"},
        {"signals": [{}]}, {"since": "yesterday"}, {"since": 5},
    ]  # fmt: skip
    texts += [json.dumps({**good, **change}).encode() for change in changes]
    for text in texts:
        yield CommandCase("cli", f"act on {text[:40]!r}", ("act",), text)


def of_the_form() -> Iterator[tuple[str, Any]]:
    """Keys of Airflow's form, and a value that none of them takes."""
    values: dict[str, list[Any]] = {
        "source": [*_SHELL, "SIMULATOR", "simulator\n", "", 7, True, ["simulator"], {"simulator": 1}, "A" * MEGABYTE],
        "as_of": [*_SHELL, "2017-02-30", "2017-11-20\n", "20171120", _WIDE, "0001-01-01", "9999-12-31", 1.5, [], {}],
        "precision_target": [0, 1, -0.1, 1e308, "0.1", True, [0.1], {"$gt": 0}],
        "estimator": ["oracle", "SOFT_LABEL", "soft_label\nrun:\n  source: parquet", "!!python/object:x", 3, True],
        "search": ["best", "single\n", 1, False, ["single"]],
        "popularity_weight": [-0.1, 1.5, "0.1", True],
        "degree_power": [-0.1, 4.5, "0.5", True],
        "run_from": ["--force", "ingest --no-commit", "nosuchstage", "../ingest", 0, ["ingest"]],
        "dry_run": ["true", 0, 1, [], {}],
    }
    return ((key, value) for key, chosen in values.items() for value in chosen)


def of_requests() -> Iterator[CommandCase]:
    """What `onward run start` may be given, by Airflow's task or by hand: it refuses by itself."""
    others: list[tuple[str, Any]] = [
        *(("run_id", value) for value in ("", "two\nlines", 7, "r" * 251)), ("no_such_key", 1),
    ]  # fmt: skip
    for key, value in (*of_the_form(), *others):
        feed = json.dumps({"run_id": "hostile", key: value}).encode()
        yield CommandCase("request", f"{key} = {str(value)[:40]!r}", ("run", "start"), feed)
    for text in (b"", b"null", b"[]", b"{", b"[" * 100_000, b'{"precision_target": NaN}', b"\x00", b'{"a": 1e999}'):
        yield CommandCase("request", f"body {text[:30]!r}", ("run", "start"), text or b" x")


def of_settings() -> Iterator[CommandCase]:
    """A params.yaml that an editor, a merge or another program has left."""

    def params(name: str, change: Callable[[str], str | bytes]) -> CommandCase:
        def spoil(root: Path) -> None:
            changed = change((root / "params.yaml").read_text(encoding="utf-8"))
            (root / "params.yaml").write_bytes(changed if isinstance(changed, bytes) else changed.encode())

        return CommandCase("file", f"params.yaml: {name}", ("check-params",), spoil=spoil)

    yield params("empty", lambda _: "")
    yield params("Latin-1", lambda text: text.replace("onward-1", "café").encode("latin-1", "replace"))
    yield params("UTF-16", lambda text: text.encode("utf-16"))
    yield params("binary", lambda _: bytes(range(256)))
    yield params("a key twice", lambda text: text.replace("  seed: 2017", "  as_of: '2017-11-27'\n  seed: 2017"))
    yield params("a section twice", lambda text: text + "\nrun: {}\n")
    yield params("an unknown key", lambda text: text + "\nshop: north\n")
    yield params("tabs", lambda text: text.replace("  source", "\tsource"))
    yield params("flow nesting", lambda text: text + "\nx: " + "[" * 200_000 + "]" * 200_000)
    yield params("block nesting", lambda text: text + "\nx:\n" + "- " * 200_000)
    yield params("a Python object", lambda text: text + "\nx: !!python/object/apply:os.system ['touch canary']\n")
    yield params("an anchor bomb", lambda text: text + "\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    yield params("a number of 5000 digits", lambda text: text.replace("threads: 2", "threads: " + "9" * 5000))
    yield params("a date that is none", lambda text: text.replace('"2017-03-31"', "2017-13-01"))
    yield params("the year 1", lambda text: text.replace('"2017-03-31"', '"0001-01-01"'))
    yield params("the year 9999", lambda text: text.replace('"2017-03-31"', '"9999-12-31"'))
    yield params("infinity", lambda text: text.replace("l2: 20.0", "l2: .inf"))
    for value in ("true", "null", "[2]", "'2'", "0", "-1", "2.5", "nan"):
        yield params(f"threads = {value}", lambda text, value=value: text.replace("threads: 2 ", f"threads: {value} "))  # type: ignore[misc]


def of_tables() -> Iterator[CommandCase]:
    """Tables that a killed export, a spreadsheet or a person has left, where the monitor reads."""
    look = ("monitor", f"--as-of={AS_OF}", "--version=3")
    for name in ("conversions", "engagements"):
        path = f"data/log/{name}.parquet"
        for what, content in (
            ("missing", None),
            ("empty", b""),
            ("text", b"id,time\n1,2\n"),
            ("only magic", b"PAR1PAR1"),
        ):
            yield CommandCase("file", f"{path}: {what}", look, spoil=_replaced(path, content))
        for what, change in _TABLES.items():
            yield CommandCase("file", f"{path}: {what}", look, spoil=_table(path, change))
        yield CommandCase("file", f"{path}: cut off", look, spoil=_cut(path, 0.7))
    for day in ("2017-03-03", "2017-03-29"):
        path = f"monitoring/decisions/day={day}/version=3.parquet"
        for what, content in (("missing", None), ("empty", b""), ("text", b"x")):
            yield CommandCase("file", f"{path}: {what}", look, spoil=_replaced(path, content))
        yield CommandCase("file", f"{path}: cut off", look, spoil=_cut(path, 0.7))
        yield CommandCase("file", f"{path}: a page overwritten", look, spoil=_scribbled(path))
    strays = ("version=4.bak.parquet", "version=x.parquet", "version=.parquet", "notes.txt")
    for stray in strays:
        path = f"monitoring/decisions/day=2017-03-03/{stray}"
        yield CommandCase("file", f"beside a day: {stray}", look, spoil=_replaced(path, b"x"), warned=stray)
    for stray in ("day=2017-02-30/version=3.parquet", "day=tomorrow/version=3.parquet"):
        spoil = _replaced(f"monitoring/decisions/{stray}", b"x")
        yield CommandCase("file", f"in the log: {stray}", look, spoil=spoil, warned=stray.partition("/")[0])


def of_the_pipeline() -> Iterator[CommandCase]:
    """A dvc.yaml or a dvc.lock that a merge or a kill has left, in the commit that a run starts from."""
    for name in ("dvc.yaml", "dvc.lock"):
        for content in (b"", b"stages: 3", b"a: [", b"\xff", b"- 1"):
            if (name, content) != ("dvc.lock", b""):
                yield CommandCase(
                    "file", f"{name}: {content!r}", ("run", "start"), b"{}", spoil=_committed(name, content)
                )


def of_the_environment() -> Iterator[CommandCase]:
    """Variables of a container or a unit file."""
    token = "https://shop:s3cr3t@host.example/shop"  # noqa: S105 - what must be refused
    values: dict[str, list[str]] = {
        "ONWARD_FLUSH_SECONDS": ["soon", "nan", "inf", "-1", "0", "1e9", "1;"],
        "ONWARD_REMOTE_SECONDS": ["soon", "nan", "inf", "-1", "0", "1e9"],
        "ONWARD_PROJECT": ["/no/such/folder", "\x01", "/dev/null", "x" * 5000],
        "ONWARD_REGISTRY": ["mysql://host/db", "sqlite:///relative.db", "postgresql://", "x", "file:///x", "sqlite:////a/b.db"],
        "ONWARD_REGISTRY_ARTIFACTS": ["ftp://host/x", "https://host/x", token],
        "ONWARD_GIT_REMOTE": [token, "ssh://git:s3cr3t@host/x"],
        "ONWARD_DVC_REMOTE": [token, "https://host/dvc?sig=s3cr3t"],
        "ONWARD_DVC_REMOTE_ENDPOINT": [token],
    }  # fmt: skip
    for name, chosen in values.items():
        for value in chosen:
            yield CommandCase("environment", f"{name}={value[:40]!r}", ("status",), variables={name: value})
    for value in ("no-such-ref", "--upload-pack=touch canary", "-x", "HEAD^{tree}", "HEAD:params.yaml"):
        variables = {"ONWARD_CODE_REF": value}
        yield CommandCase("environment", f"ONWARD_CODE_REF={value!r}", ("run", "start"), b"{}", variables)
    for value in ("/no/such/remote", "ext::sh -c touch% canary", "file:///no/such", "::", "-x"):
        variables = {"ONWARD_GIT_REMOTE": value}
        yield CommandCase("environment", f"ONWARD_GIT_REMOTE={value!r}", ("runs",), variables=variables)


def of_http(product: str) -> Iterator[HttpCase]:
    """Requests to a service that knows this product."""
    bodies: list[bytes] = [
        b"", b"null", b"[]", b"{", b"NaN", b'{"pairs": NaN}', b"[" * 100_000, b"9" * 5000, b"\xff\xfe",
        b'{"pairs": []}',
        b'{"pairs": [{}]}', b'{"pairs": 7}', b'{"events": []}', b'{"events": [{"kind": "sold"}]}', b'"x"', b"{}" * 2,
    ]  # fmt: skip
    for path in ("/v1/score", "/v1/rank", "/v1/feedback", "/v1/products"):
        for body in bodies:
            yield HttpCase(f"POST {path} {body[:20]!r}", "POST", path, body)
        yield HttpCase(f"POST {path} 8 MB", "POST", path, b"x" * (8 * MEGABYTE))
        yield HttpCase(
            f"POST {path} as a form", "POST", path, b"a=1", {"content-type": "application/x-www-form-urlencoded"}
        )
    for at in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "tomorrow", "2017-02-30T00:00:00", "1e400"):
        event = {
            "kind": "shown",
            "request_id": "5f0c6c3f6d0b4f5f9d1c1c9a3d1f2b7e",
            "source": product,
            "target": product,
            "at": at,
        }
        yield HttpCase(f"feedback at {at}", "POST", "/v1/feedback", json.dumps({"events": [event]}).encode())
    for query in ("k=0", "k=-1", "k=x", "k=1e3", "k=" + "9" * 40, "list=all", "weight=nan", "weight=2", "weight=x"):
        yield HttpCase(f"related ?{query}", "GET", f"/v1/related/{product}?{query}")
    for identity in ("no-such-product", "%00", "..%2f..%2fetc%2fpasswd", "%ff", "x" * 4000, "%0d%0aSet-Cookie:x=1"):
        yield HttpCase(f"related {identity[:20]}", "GET", f"/v1/related/{identity}")
    yield HttpCase("no such path", "GET", "/v1/nothing")
    yield HttpCase("wrong method", "DELETE", "/v1/score")


def _replaced(path: str, content: bytes | None) -> Spoil:
    def spoil(root: Path) -> None:
        if content is None:
            (root / path).unlink()
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)

    return spoil


def _table(path: str, change: Callable[[pd.DataFrame], pa.Table]) -> Spoil:
    def spoil(root: Path) -> None:
        pq.write_table(change(pd.read_parquet(root / path)), root / path)

    return spoil


def _cut(path: str, share: float) -> Spoil:
    def spoil(root: Path) -> None:
        content = (root / path).read_bytes()
        (root / path).write_bytes(content[: int(share * len(content))])

    return spoil


def _scribbled(path: str) -> Spoil:
    def spoil(root: Path) -> None:
        content = bytearray((root / path).read_bytes())
        content[40 : len(content) // 3] = b"\xff" * (len(content) // 3 - 40)
        (root / path).write_bytes(bytes(content))

    return spoil


def _committed(path: str, content: bytes) -> Spoil:
    def spoil(root: Path) -> None:
        (root / path).write_bytes(content)
        for words in (["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x@x.org", "commit", "-qm", "x"]):
            subprocess.run(["git", *words], cwd=root, check=True)

    return spoil


def _clock(table: pd.DataFrame) -> str:
    return str(table.columns[-1])


_TABLES: Mapping[str, Callable[[pd.DataFrame], pa.Table]] = {
    "no rows and no columns": lambda _: pa.table({}),
    "a column missing": lambda table: pa.table(table.drop(columns=[_clock(table)])),
    "times as text": lambda table: pa.table(table.assign(**{_clock(table): table[_clock(table)].astype(str)})),
    "times as numbers": lambda table: pa.table(table.assign(**{_clock(table): np.arange(len(table))})),
    "times with a zone": lambda table: pa.table(
        table.assign(**{_clock(table): table[_clock(table)].dt.tz_localize("Europe/Berlin")})
    ),
}
