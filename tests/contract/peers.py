"""The two that are compared: our own way from OTLP to an answer, and a real Prometheus. Both speak the HTTP API."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client import CollectorRegistry
from tests.contract.telemetry import SPAN_MS, START_MS

from flashmm_backends.batch import Batch, Labels
from flashmm_backends.ledger import Ledger, LedgerSettings
from flashmm_backends.lgtm import EndpointSettings, PrometheusMetrics, prometheus_endpoint
from flashmm_backends.promql import Engine, PrometheusApi, PromqlMetrics, SampleSource
from flashmm_backends.promql.testing import MemorySource
from flashmm_receiver import ReceiverSettings
from flashmm_receiver._decoder import Decoder, Signal

NOW_NS = (START_MS + SPAN_MS) * 10**6


class Peer(Protocol):
    """What takes OTLP metrics and answers Prometheus's HTTP API."""

    def send(self, request: ExportMetricsServiceRequest) -> None:
        """Take a request whole; it can be asked for at once."""
        ...

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """The parsed answer to a request under /api/v1/. Lists are repeated parameters."""
        ...


class Embedded:
    """The receiver's decoder, a source, the engine, and the API over it. The source is in memory."""

    def __init__(self) -> None:
        self._decoder = Decoder(ReceiverSettings(), {})
        self._labels: dict[int, Labels] = {}
        self._runner = asyncio.Runner()
        self._stack = ExitStack()
        self._stack.callback(self._runner.close)
        self._memory = MemorySource()

    def _source(self) -> SampleSource:
        return self._memory

    def send(self, request: ExportMetricsServiceRequest) -> None:
        """Decode and keep."""
        decoded = self._decoder.decode(Signal.METRICS, request.SerializeToString(), NOW_NS)
        assert not decoded.refusals.by_reason, decoded.refusals
        if decoded.batch:
            self._keep(decoded.batch)
            for done in decoded.stored:
                done()

    def _keep(self, batch: Batch) -> None:
        self._labels |= {meta.id: meta.labels for meta in batch.series}
        points, natives = batch.points, batch.histograms
        for series, time_ms, value in zip(points.series_id, points.time_ms, points.value, strict=True):
            self._memory.add(self._labels[int(series)], [(int(time_ms), float(value))])
        for series, time_ms, histogram in zip(natives.series_id, natives.time_ms, natives.histogram, strict=True):
            self._memory.add(self._labels[int(series)], [(int(time_ms), histogram)])

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """By the API's own entry."""
        response = self._runner.run(self._api.handle("GET", path, urlencode(parameters, doseq=True)))
        return json.loads(response.body)

    def status(self, method: str, path: str) -> int:
        """What a request without parameters is answered with."""
        return self._runner.run(self._api.handle(method, path)).status

    def __enter__(self) -> Self:
        source = self._source()
        metrics = PromqlMetrics(Engine(source))
        self._stack.callback(metrics.close)
        self._api = PrometheusApi(metrics, source, clock=lambda: NOW_NS // 10**6)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class EmbeddedLedger(Embedded):
    """The same over the ledger. seals: every request is sealed into Parquet before it is asked for."""

    def __init__(self, *, seals: bool = False) -> None:
        super().__init__()
        self._seals = seals

    def _source(self) -> SampleSource:
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        opening = Ledger.open(folder, LedgerSettings(), lambda: NOW_NS, CollectorRegistry())
        self._ledger = self._runner.run(opening.__aenter__())
        self._stack.callback(lambda: self._runner.run(opening.__aexit__(None, None, None)))
        return self._ledger

    def _keep(self, batch: Batch) -> None:
        self._runner.run(self._ledger.append(batch))
        if self._seals:
            self._runner.run(self._ledger.seal())


class RealPrometheus:
    """A running Prometheus."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._client = httpx.Client(base_url=f"{base_url}/api/v1/", timeout=60)

    def send(self, request: ExportMetricsServiceRequest) -> None:
        """By OTLP over HTTP."""
        response = self._client.post(
            "otlp/v1/metrics",
            content=request.SerializeToString(),
            headers={"content-type": "application/x-protobuf"},
        )
        assert response.status_code in (200, 204), response.text

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """By HTTP; long queries fit a form only."""
        is_query = path in ("query", "query_range")
        data: Mapping[str, Any] = parameters
        response = (
            self._client.post(path, data=data) if is_query else self._client.get(path, params=parameters)  # type: ignore[arg-type]
        )
        return response.json()

    def status(self, method: str, path: str) -> int:
        """What a request without parameters is answered with."""
        return self._client.request(method, path).status_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


class ThroughAdapter:
    """The same Prometheus, its queries asked through the metrics port and told again by our own API."""

    def __init__(self, real: RealPrometheus) -> None:
        self._real = real
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def send(self, request: ExportMetricsServiceRequest) -> None:
        """To the Prometheus itself."""
        self._real.send(request)

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """Queries through the port; names and labels are none of its business."""
        if path not in ("query", "query_range"):
            return self._real.ask(path, **parameters)
        response = self._runner.run(self._api.handle("GET", path, urlencode(parameters, doseq=True)))
        return json.loads(response.body)

    def __enter__(self) -> Self:
        settings = EndpointSettings(url=self._real.base_url)
        endpoint = self._runner.run(self._stack.enter_async_context(prometheus_endpoint(settings)))
        self._api = PrometheusApi(PrometheusMetrics(endpoint), MemorySource(), clock=lambda: NOW_NS // 10**6)
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()
