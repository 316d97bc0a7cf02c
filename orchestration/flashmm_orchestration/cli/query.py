"""`flashmm query`: PromQL from the shell."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from flashmm_orchestration.cli._help import examples
from flashmm_orchestration.cli._options import (
    JsonOption,
    TokenFileOption,
    TokenOption,
    UrlOption,
    say,
    say_json,
    width,
)
from flashmm_orchestration.cli._series import printed

if TYPE_CHECKING:
    from flashmm_orchestration.cli._client import Client

_POINTS: Final = 60
_IN_BRACES: Final = re.compile(r"\{[^}]*\}")
_METRIC: Final = re.compile(r"[a-zA-Z_:][\w:]*\b(?!\s*[(\w])")
EXAMPLES: Final = examples(
    "flashmm query 'rate(flashmm_fills_total[1m])'",
    "flashmm query flashmm_pnl_realized --last 1h",
    "flashmm query 'sum by (flashmm_bot) (flashmm_orders_total)' --json",
)


def query(
    promql: Annotated[str, typer.Argument(help="The expression, in quotes.", metavar="PROMQL")],
    last: Annotated[str, typer.Option(metavar="TIME", help="A range up to now, e.g. 15m: a curve a series.")] = "",
    url: UrlOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    json: JsonOption = False,
) -> None:
    """Ask PromQL: an instant, or the range of --last. Exit code 1 when the expression is refused."""
    from flashmm_orchestration.cli._connection import connect

    client = connect(url, token, token_file)
    answer = _range(client, promql, last) if last else client.prometheus("/api/v1/query", {"query": promql})
    if json:
        say_json(answer)
    elif answer.get("status") == "success" and not _is_empty(answer["data"]):
        say(_text(client, answer["data"]))
    if answer.get("status") != "success":
        if not json:
            typer.echo(f"flashmm: {answer.get('errorType')}: {answer.get('error')}", err=True)
        raise typer.Exit(1)
    if _is_empty(answer["data"]):
        typer.echo(f"flashmm: no series{_meant(client, promql)}", err=True)


def _range(client: Client, promql: str, last: str) -> dict[str, Any]:
    seconds = _seconds(last)
    end = time.time()
    parameters = {
        "query": promql,
        "start": str(end - seconds),
        "end": str(end),
        "step": str(max(1, seconds / _POINTS)),
    }
    return client.prometheus("/api/v1/query_range", parameters)


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if len(text) < 2 or text[-1] not in units or not text[:-1].isdecimal() or int(text[:-1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a valid duration: give e.g. 30s, 15m, 6h, 7d", param_hint="--last")
    return float(int(text[:-1]) * units[text[-1]])


def _text(client: Client, data: dict[str, Any]) -> str:
    if not _has_series(data):
        return str(data["result"][1])
    return printed(data["result"], _unit(client, data), width())


def _is_empty(data: dict[str, Any]) -> bool:
    return _has_series(data) and not data["result"]


def _meant(client: Client, promql: str) -> str:
    """The known metric that is next to one that is not, else why there may be none."""
    from flashmm_orchestration._sources import nearest
    from flashmm_orchestration.cli._client import NoAnswer

    try:
        known: list[str] = client.get("/api/v1/label/__name__/values", {})["data"]
    except (NoAnswer, KeyError):
        known = []
    asked = [name for name in _METRIC.findall(_IN_BRACES.sub("", promql)) if name not in known]
    hints = (nearest(name, known) for name in asked)
    return next(filter(None, hints), ": nothing with that name and those labels has a sample there")


def _unit(client: Client, data: dict[str, Any]) -> str:
    """That of the one metric that the answer is about, where the store knows it."""
    from flashmm_orchestration.cli._client import NoAnswer

    names = {each["metric"].get("__name__", "") for each in data["result"]}
    name = names.pop()
    if names or not name:
        return ""
    try:
        known = client.get("/api/v1/metadata", {"metric": name})["data"][name]
    except (NoAnswer, KeyError):
        return ""
    return str(known[0]["unit"])


def _has_series(data: dict[str, Any]) -> bool:
    return data["resultType"] in {"vector", "matrix"}
