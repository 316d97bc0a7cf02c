"""`/api/traces/<id>`: one trace, and the order that it is about."""

from fastapi import APIRouter
from fastapi.responses import Response

from flashmm_backends.ports import NotFound, TraceReader
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_orchestration.api._described import TraceForm, answers
from flashmm_orchestration.api._gate import Gate
from flashmm_orchestration.api._respond import json
from flashmm_orchestration.api._wire import span as span_body


def traces_router(traces: TraceReader, gate: Gate) -> APIRouter:
    """Routes over the traces port."""
    router = APIRouter(prefix="/api/traces", tags=["traces"])

    @router.get("/{trace_id}", responses=answers(TraceForm))
    async def one_trace(trace_id: str) -> Response:
        """The spans of a trace by its id in hexadecimal; `order_id` is empty where it is about none."""
        async with gate.passed():
            spans = await traces.trace(_bytes(trace_id))
        about = [str(span.attributes[attr.ORDER_ID]) for span in spans if attr.ORDER_ID in span.attributes]
        found = {
            "trace_id": trace_id,
            "order_id": next(iter(about), ""),
            "spans": [span_body(each) for each in spans],
        }
        return json(found)

    del one_trace
    return router


def _bytes(trace_id: str) -> bytes:
    try:
        return bytes.fromhex(trace_id)
    except ValueError:
        raise NotFound(f"trace {trace_id}") from None
