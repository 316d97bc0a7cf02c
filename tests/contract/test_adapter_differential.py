"""Random telemetry and random PromQL: what comes through the metrics port is what Prometheus answered."""

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.contract.answers import differences
from tests.contract.expressions import EXPRESSIONS, JOB
from tests.contract.peers import RealPrometheus, ThroughAdapter
from tests.contract.telemetry import SPAN_MS, START_MS, TELEMETRY, Telemetry

CASES = count()


@pytest.mark.real
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    telemetry=TELEMETRY,
    expressions=st.lists(EXPRESSIONS, min_size=20, max_size=20),
    at_ms=st.integers(START_MS, START_MS + SPAN_MS),
)
def test_nothing_is_lost_on_the_way(
    prometheus: RealPrometheus, telemetry: Telemetry, expressions: list[str], at_ms: int
) -> None:
    """Read into the port's types and told again, every answer is the same: floats, histograms, notes, errors."""
    job = f"through{next(CASES)}"
    prometheus.send(telemetry.request(job))
    with ThroughAdapter(prometheus) as adapter:
        wrong = [
            (path, parameters, found[:3])
            for path, parameters in _requests([text.replace(JOB, job) for text in expressions], at_ms)
            if (found := _compared(adapter, prometheus, path, parameters))
        ]
    assert not wrong, wrong


def _requests(queries: list[str], at_ms: int) -> list[tuple[str, dict[str, Any]]]:
    grid = {"start": START_MS / 1000, "end": (START_MS + SPAN_MS) / 1000, "step": 30}
    return [
        request
        for query in queries
        for request in (("query_range", {"query": query, **grid}), ("query", {"query": query, "time": at_ms / 1000}))
    ]


def _compared(adapter: ThroughAdapter, real: RealPrometheus, path: str, parameters: dict[str, Any]) -> list[str]:
    ours, theirs = adapter.ask(path, **parameters), real.ask(path, **parameters)
    notes = [sorted(answer.get("warnings", []) + answer.get("infos", [])) for answer in (ours, theirs)]
    return differences(ours, theirs) + ([] if notes[0] == notes[1] else [f"notes {notes}"])
