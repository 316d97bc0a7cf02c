"""`flashmm doctor`: walks the path emit → store → query and says where it breaks."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import httpx
import typer

from flashmm_instrumentation.semconv import attributes as attr
from flashmm_orchestration.cli._client import DEFAULT_URL, Client, NoAnswer
from flashmm_orchestration.cli._options import JsonOption, TokenOption, UrlOption, say, say_json

PROBE: Final = "flashmm.doctor.probe"
_PROBE_SERIES: Final = "flashmm_doctor_probe"
_VISIBLE_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One step of the path, what was seen there, and, where it does not hold, what to do."""

    step: str
    seen: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """True where the step holds."""
        return not self.fix


@dataclass(frozen=True, slots=True)
class Path:
    """What to check."""

    otlp: str
    otlp_token: str
    client: Client


def doctor(
    otlp: Annotated[str, typer.Option(envvar="OTEL_EXPORTER_OTLP_ENDPOINT", help="OTLP over HTTP.")] = (
        "http://127.0.0.1:4318"
    ),
    otlp_token: Annotated[str, typer.Option(envvar="FLASHMM_RECEIVER__TOKEN", help="Bearer token for OTLP.")] = "",
    url: UrlOption = DEFAULT_URL,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Send a probe metric through the whole path and find it again; exit code 1 where the path breaks."""
    findings: list[Finding] = []
    for finding in examine(Path(otlp.rstrip("/"), otlp_token, Client(url, token))):
        findings.append(finding)
        if not json:
            say(_line(finding))
    if json:
        say_json([{**asdict(finding), "ok": finding.ok} for finding in findings])
    if not findings[-1].ok:
        raise typer.Exit(1)


def examine(path: Path) -> Iterator[Finding]:
    """The steps in order, up to and including the first that does not hold."""
    probe = secrets.token_hex(8)
    steps: tuple[Callable[[], Finding], ...] = (
        lambda: _server(path),
        lambda: _emit(path, probe),
        lambda: _visible(path, probe),
    )
    for step in steps:
        finding = step()
        yield finding
        if not finding.ok:
            return


def _server(path: Path) -> Finding:
    try:
        health = path.client.get("/health")
    except NoAnswer as error:
        return Finding("server", f"{error.url}: {error.why}", error.fix)
    down = [f"{item['name']} is {item['status']} ({item['detail']})" for item in health["components"]]
    if not health["ready"]:
        return Finding("server", "; ".join(down), "Look at the log of `flashmm up`; it is trying again.")
    return Finding("server", f"{len(down)} components up")


def _emit(path: Path, probe: str) -> Finding:
    url = f"{path.otlp}/v1/metrics"
    headers = {"authorization": f"Bearer {path.otlp_token}"} if path.otlp_token else {}
    try:
        answer = httpx.post(url, json=_metric(probe), headers=headers, timeout=5)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("emit", f"{url}: {error}", "Give OTLP's HTTP address with --otlp; is the receiver up?")
    if answer.status_code == 401:
        return Finding("emit", f"{url}: 401", "Give the receiver's token: --otlp-token or FLASHMM_RECEIVER__TOKEN.")
    if answer.is_error or ("partialSuccess" in answer.text and "rejected" in answer.text):
        return Finding("emit", f"{url}: {answer.status_code} {answer.text[:200]}", "Is this an OTLP/HTTP port?")
    return Finding("emit", f"a probe metric was accepted and stored by {url}")


def _visible(path: Path, probe: str) -> Finding:
    begin = time.monotonic()
    while time.monotonic() - begin < _VISIBLE_WITHIN_S:
        answer = path.client.prometheus("/api/v1/query", {"query": f'{_PROBE_SERIES}{{probe="{probe}"}}'})
        if answer.get("data", {}).get("result"):
            return Finding("query", f"found again by PromQL after {(time.monotonic() - begin) * 1000:.0f} ms")
        time.sleep(0.02)
    seen = f"{_PROBE_SERIES} did not show up within {_VISIBLE_WITHIN_S:.0f} s"
    return Finding("query", seen, "Do --otlp and --url lead to the same store? Are the clocks right?")


def _metric(probe: str) -> dict[str, object]:
    point = {
        "timeUnixNano": str(time.time_ns()),
        "asInt": "1",
        "attributes": [{"key": "probe", "value": {"stringValue": probe}}],
    }
    resource = {
        "attributes": [
            {"key": attr.SERVICE_NAME, "value": {"stringValue": "doctor"}},
            {"key": attr.SERVICE_NAMESPACE, "value": {"stringValue": attr.NAMESPACE}},
        ]
    }
    metrics = [{"name": PROBE, "gauge": {"dataPoints": [point]}}]
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.ok else "FAIL"
    fix = f"\n      → {finding.fix}" if finding.fix else ""
    return f"{mark}  {finding.step}: {finding.seen}{fix}"
