"""What the OpenAPI document says of Prometheus's HTTP API, whose parameters FastAPI does not see."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_RATE: Final = "rate(flashmm_fills_total[1m])"


def _parameter(name: str, description: str, example: str = "", *, required: bool = False) -> Mapping[str, Any]:
    many = name.endswith("[]")
    schema: dict[str, Any] = {"type": "array", "items": {"type": "string"}} if many else {"type": "string"}
    if example:
        schema["examples"] = [example]
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _path(text: str, *parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answers are in Prometheus's own form, with a status that fits."""
    operation: dict[str, Any] = {"tags": ["prometheus"], "description": text, "responses": {"200": _SUCCESS}}
    return {"get": operation | {"parameters": list(parameters)} if parameters else operation}


_SUCCESS: Final = {"description": "`status` and `data`, as Prometheus answers."}
_TIME: Final = "Unix seconds or RFC 3339"
_QUERY: Final = _parameter("query", "PromQL.", _RATE, required=True)
_LIMIT: Final = _parameter("limit", "At most so many results; 0 or empty for all.")
_TIMEOUT: Final = _parameter("timeout", "Seconds, or a duration such as `30s`.")
_START: Final = _parameter("start", f"{_TIME}; empty is the first.")
_END: Final = _parameter("end", f"{_TIME}; empty is the last.")
_SPAN: Final = (_START, _END)
_MATCH: Final = "A selector; may be repeated"
_MATCHING: Final[Sequence[Mapping[str, Any]]] = (_parameter("match[]", f"{_MATCH}."), *_SPAN, _LIMIT)
_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "The label's.",
    "schema": {"type": "string", "examples": ["flashmm_symbol"]},
}
_FORM: Final = "Takes a posted form as well."

PATHS: Final[Mapping[str, Mapping[str, Any]]] = {
    "/api/v1/query": _path(
        f"PromQL at one time. {_FORM}", _QUERY, _parameter("time", f"{_TIME}; empty is now."), _TIMEOUT, _LIMIT
    ),
    "/api/v1/query_range": _path(
        f"PromQL over a range, at most `query.steps` points a series. {_FORM}",
        _QUERY,
        _parameter("start", f"{_TIME}.", required=True),
        _parameter("end", f"{_TIME}.", required=True),
        _parameter("step", "Seconds, or a duration such as `15s`.", required=True),
        _TIMEOUT,
        _LIMIT,
    ),
    "/api/v1/query_exemplars": _path(
        f"Exemplars of an expression's series: single orders, by trace id. {_FORM}",
        _parameter("query", "PromQL.", "flashmm_order_duration_seconds", required=True),
        *_SPAN,
    ),
    "/api/v1/series": _path(
        f"The series that selectors match. {_FORM}",
        _parameter("match[]", f"{_MATCH}.", "flashmm_fills_total", required=True),
        *_SPAN,
        _LIMIT,
    ),
    "/api/v1/labels": _path(f"Names of labels. {_FORM}", *_MATCHING),
    "/api/v1/label/{name}/values": _path("Values of a label.", _NAME, *_MATCHING),
    "/api/v1/metadata": _path(
        "Type, unit and help of metrics.",
        _parameter("metric", "Only this one.", "flashmm_fills_total"),
        _parameter("limit", "At most so many metrics."),
        _parameter("limit_per_metric", "At most so many entries of each."),
    ),
    "/api/v1/rules": _path(
        "Rules that the metrics' store evaluates; the ledger has none.", _parameter("type", "alert or record.")
    ),
    "/api/v1/alerts": _path("Alerts of those rules."),
    "/api/v1/status/buildinfo": _path("The Prometheus whose behaviour the answers have."),
}
