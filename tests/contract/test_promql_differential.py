"""Random telemetry and random PromQL: our answers are those of a real Prometheus."""

import os
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.contract.answers import differences
from tests.contract.expressions import EXPRESSIONS, JOB
from tests.contract.peers import Embedded, EmbeddedLedger, Peer, RealPrometheus
from tests.contract.telemetry import SPAN_MS, START_MS, TELEMETRY, Telemetry

SOAK = os.environ.get("FLASHMM_SOAK") == "1"
CASES = count()
"""Data sets are told apart by their job: all live in one Prometheus."""


@pytest.mark.real
@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(
    max_examples=500 if SOAK else 25,
    deadline=None,
    phases=[Phase.generate],  # the failure names the query; to shrink its neighbours takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(
    telemetry=TELEMETRY,
    expressions=st.lists(EXPRESSIONS, min_size=20, max_size=20),
    step_s=st.sampled_from([15, 17, 30, 60]),
    at_ms=st.integers(START_MS - 60_000, START_MS + SPAN_MS + 400_000),
    ours=st.sampled_from([Embedded, EmbeddedLedger, partial(EmbeddedLedger, seals=True)]),
)
def test_answers_equal_those_of_a_real_prometheus(
    prometheus: RealPrometheus,
    telemetry: Telemetry,
    expressions: list[str],
    step_s: int,
    at_ms: int,
    ours: Callable[[], Embedded],
) -> None:
    """Every value of every series at every step, within 1e-11; and what Prometheus refuses we refuse alike."""
    job = f"case{next(CASES)}"
    request = telemetry.request(job)
    with ours() as embedded:
        embedded.send(request)
        prometheus.send(request)
        wrong = [
            (path, parameters, found[:3])
            for path, parameters in _requests([text.replace(JOB, job) for text in expressions], step_s, at_ms)
            if (found := compared(embedded, prometheus, path, parameters))
        ]
    assert not wrong, wrong


def _requests(queries: list[str], step_s: int, at_ms: int) -> list[tuple[str, dict[str, Any]]]:
    grid = {"start": START_MS / 1000 - 60, "end": (START_MS + SPAN_MS) / 1000 + 200, "step": step_s}
    return [
        request
        for query in queries
        for request in (("query_range", {"query": query, **grid}), ("query", {"query": query, "time": at_ms / 1000}))
    ]


def compared(ours: Peer, theirs: Peer, path: str, parameters: dict[str, Any]) -> list[str]:
    """What the two answer differently."""
    chosen = parameters["query"].startswith(("topk", "bottomk"))
    return differences(ours.ask(path, **parameters), theirs.ask(path, **parameters), any_of_equals=chosen)
