"""`/docs`: the OpenAPI document as a plain page, without scripts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from flashmm_streaming.streams import STREAMS

_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlashMM API</title>
<meta name="viewport" content="width=device-width"><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{font:600 1rem ui-monospace,monospace;border-top:1px solid #8884;padding-top:1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}</style><main><p><a href="/">Live page</a></p>
<h1>FlashMM API</h1>
<p>Machine-readable: <a href="/openapi.json">/openapi.json</a>. Metrics: Prometheus’s HTTP API under
<code>/api/v1</code>, for Grafana and <code>flashmm query</code> too. Links are examples; a shell asks the same with
<code>curl</code>, and, where the server wants a token, <code>-H 'Authorization: Bearer TOKEN'</code>.</p>
<h2 id="stream">WebSocket /stream</h2>
<p>Live values as JSON text frames. Send
<code>{"type": "subscribe", "streams": ["pnl", "spread", "trades"]}</code>; then come
<code>subscribed</code>, <code>data</code> with <code>items</code>, and <code>gap</code> where some are missing;
<code>resume</code> with the last <code>epoch</code> and <code>offset</code> goes on after a lost connection. Streams:
{STREAMS}. All fields and limits: <code>docs/reference/stream.md</code>.</p>"""
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'"


def docs_router(document: Callable[[], Mapping[str, Any]]) -> APIRouter:
    """The route. document: gives the OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    streams = ", ".join(f"<code>{name}</code>" for name in STREAMS)

    @router.get("/docs")
    async def docs() -> Response:
        text = _HEAD.replace("{STREAMS}", streams) + "".join(_operations(document()))
        return HTMLResponse(text, headers={"content-security-policy": _CSP})

    del docs
    return router


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{_prose(operation.get('description', ''))}</p>"
            parameters = operation.get("parameters", ())
            if parameters:
                yield f"<table>{''.join(map(_parameter, parameters))}</table>"
            if method == "get" and (example := _example(path, parameters)):
                yield f'<p><a href="{escape(example)}"><code>{escape(example)}</code></a></p>'


def _example(path: str, parameters: Iterable[Mapping[str, Any]]) -> str:
    """An address that answers, from the parameters' examples; empty where one that is needed has none."""
    given: list[tuple[str, str]] = []
    for parameter in parameters:
        examples = parameter["schema"].get("examples", ())
        if parameter.get("required") and not examples:
            return ""
        if examples and parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(examples[0], safe=""))
        elif examples:
            given.append((parameter["name"], examples[0]))
    return f"{path}?{urlencode(given)}" if given else path


def _prose(text: str) -> str:
    """A docstring as HTML: what is between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = f" Default: <code>{escape(str(schema['default']))}</code>." if schema.get("default") else ""
    needed = " Required." if parameter.get("required") else ""
    text = _prose(parameter.get("description", ""))
    return f"<tr><th><code>{escape(parameter['name'])}</code></th><td>{text}{needed}{default}</td></tr>"
