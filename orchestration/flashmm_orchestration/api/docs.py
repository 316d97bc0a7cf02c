"""`/docs`: the OpenAPI document as a plain page, without scripts."""

import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>FlashMM API</title>
<meta name="viewport" content="width=device-width"><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{font:600 1rem ui-monospace,monospace;border-top:1px solid #8884;padding-top:1rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
code{font-family:ui-monospace,monospace}</style><main><h1>FlashMM API</h1>
<p>Machine-readable: <a href="/openapi.json">/openapi.json</a>. Metrics: Prometheus’s HTTP API under
<code>/api/v1</code>. Live values: the WebSocket <code>/stream</code>.</p>"""
_CSP: Final = "default-src 'none'; style-src 'unsafe-inline'"


def docs_router(document: Callable[[], Mapping[str, Any]]) -> APIRouter:
    """The route. document: gives the OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(_HEAD + "".join(_operations(document())), headers={"content-security-policy": _CSP})

    del docs
    return router


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{_prose(operation.get('description', ''))}</p>"
            if parameters := operation.get("parameters"):
                yield f"<table>{''.join(map(_parameter, parameters))}</table>"


def _prose(text: str) -> str:
    """A docstring as HTML: what is between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    default = f" Default: <code>{escape(str(schema['default']))}</code>." if schema.get("default") else ""
    needed = " Required." if parameter.get("required") else ""
    text = _prose(parameter.get("description", ""))
    return f"<tr><th><code>{escape(parameter['name'])}</code></th><td>{text}{needed}{default}</td></tr>"
