"""`flashmm query`: PromQL from the shell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flashmm_orchestration.cli._options import (
    JsonOption,
    TokenFileOption,
    TokenOption,
    UrlOption,
    say,
    say_json,
    table,
)

if TYPE_CHECKING:
    from flashmm_orchestration.cli._client import Client

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 60


def query(
    promql: Annotated[str, typer.Argument(help="The expression, e.g. 'rate(flashmm_fills_total[1m])'.")],
    last: Annotated[str, typer.Option(help="A range up to now, e.g. 15m: prints a curve a series.")] = "",
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
    elif answer.get("status") == "success":
        say(_text(answer["data"]))
    if answer.get("status") != "success":
        if not json:
            typer.echo(f"flashmm: {answer.get('errorType')}: {answer.get('error')}", err=True)
        raise typer.Exit(1)


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
        raise typer.BadParameter(f"{text!r} is no duration: give e.g. 30s, 15m, 6h, 7d", param_hint="--last")
    return float(int(text[:-1]) * units[text[-1]])


def _text(data: dict[str, Any]) -> str:
    result = data["result"]
    if data["resultType"] in {"scalar", "string"}:
        return str(result[1])
    if not result:
        return "no series: nothing with that name and those labels has a sample there"
    rows = [[_name(each["metric"]), _value(each)] for each in result]
    return table([["series", "value"], *rows])


def _name(labels: dict[str, str]) -> str:
    inner = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return labels.get("__name__", "") + (f"{{{inner}}}" if inner else "")


def _value(series: dict[str, Any]) -> str:
    if "value" in series:
        return str(series["value"][1])
    if "values" in series:
        return spark([float(value) for _, value in series["values"]]) + f"  {series['values'][-1][1]}"
    histogram = series["histogram"][1] if "histogram" in series else series["histograms"][-1][1]
    return f"histogram: count {histogram['count']}, sum {histogram['sum']}"


def spark(values: list[float]) -> str:
    """A curve in one line of text."""
    finite = [value for value in values if value - value == 0]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] if value - value == 0 else " " for value in values)
