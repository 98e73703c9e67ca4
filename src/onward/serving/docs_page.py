"""The OpenAPI document as one plain page: no script, nothing loaded from anywhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem}code,pre{font:14px/1.4 ui-monospace,monospace}pre{overflow:auto;padding:.75rem;background:#8881}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-top:1px solid #8884}.verb{font-weight:700;margin-right:.5rem}
"""


def docs_page(schema: Mapping[str, Any]) -> str:
    """The page of an OpenAPI 3.1 document."""
    info = schema["info"]
    operations = "".join(
        _operation(path, verb, operation)
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
        if not operation.get("deprecated")
    )
    models = "".join(_model(name, model) for name, model in sorted(schema["components"]["schemas"].items()))
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}: HTTP API</h1>{paragraphs}"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>'
        f"{operations}<h1>Models</h1>{models}</body></html>"
    )


def _operation(path: str, verb: str, operation: Mapping[str, Any]) -> str:
    said = "".join(f"<p>{escape(part)}</p>" for part in operation.get("description", "").split("\n\n"))
    parameters = operation.get("parameters", [])
    rows = "".join(
        _row(parameter["name"], _type(parameter["schema"]), parameter.get("description", ""))
        for parameter in parameters
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    takes = f"<p>Body: {_type(body)}</p>" if body else ""
    answers = "".join(_row(status, _answer(reply), reply["description"]) for status, reply in _answers(operation))
    return (
        f'<section><h2><span class="verb">{verb.upper()}</span><code>{escape(path)}</code></h2>{said}'
        f"{f'<table>{rows}</table>' if rows else ''}{takes}<table>{answers}</table></section>"
    )


def _answers(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from sorted(operation["responses"].items())


def _answer(reply: Mapping[str, Any]) -> str:
    contents = reply.get("content", {})
    return ", ".join(_type(content.get("schema", {})) or escape(kind) for kind, content in contents.items())


def _model(name: str, model: Mapping[str, Any]) -> str:
    required = set(model.get("required", ()))
    rows = "".join(
        _row(field + ("" if field in required else " (optional)"), _type(part), part.get("description", ""))
        for field, part in model.get("properties", {}).items()
    )
    examples = "".join(
        f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
        for example in model.get("examples", ())
    )
    said = f"<p>{escape(model.get('description', ''))}</p>"
    return f'<section id="{escape(name)}"><h2>{escape(name)}</h2>{said}<table>{rows}</table>{examples}</section>'


def _row(name: str, kind: str, said: str) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{kind}<td>{escape(said)}"


def _type(part: Mapping[str, Any]) -> str:
    """A schema's type in words, with links to models."""
    if "$ref" in part:
        name = escape(part["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    for word in ("anyOf", "oneOf"):
        if word in part:
            return " or ".join(_type(one) for one in part[word])
    values = part.get("enum", [part["const"]] if "const" in part else [])
    if values:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if isinstance(part.get("additionalProperties"), dict):
        return f"object of {_type(part['additionalProperties'])}"
    names = {"minimum": "≥", "maximum": "≤", "maxLength": "length ≤"}
    limits = "".join(f", {sign} {part[name]}" for name, sign in names.items() if name in part)
    return escape(str(part.get("type", "")) + limits)
