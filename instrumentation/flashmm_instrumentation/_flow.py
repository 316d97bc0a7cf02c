"""How fast and how many: the limits of the pumps, and OpenTelemetry's variables that change them."""

import math
import os
from dataclasses import dataclass, field
from typing import Final

from flashmm_instrumentation._pump import PumpLimits

_EVENTS: Final = PumpLimits()
_SPANS: Final = PumpLimits(gather_s=0.2)
_LOGS: Final = PumpLimits(capacity=8_192, gather_s=0.2)


@dataclass(frozen=True, slots=True)
class Flow:
    """How records leave. threaded: False for tests, where flush() alone moves them."""

    events: PumpLimits = field(default=_EVENTS)
    spans: PumpLimits = field(default=_SPANS)
    logs: PumpLimits = field(default=_LOGS)
    threaded: bool = True


def flow_from_environment() -> Flow:
    """The defaults, under `OTEL_BSP_*` for spans, `OTEL_BLRP_*` for events and log records, and our own of bytes."""
    return Flow(_limits("BLRP", _EVENTS), _limits("BSP", _SPANS), _limits("BLRP", _LOGS))


def _limits(processor: str, default: PumpLimits) -> PumpLimits:
    capacity = int(env_number(f"OTEL_{processor}_MAX_QUEUE_SIZE", default.capacity))
    return PumpLimits(
        capacity=capacity,
        bytes_max=int(env_number("FLASHMM_QUEUE_MAX_BYTES", default.bytes_max)),
        batch=min(capacity, int(env_number(f"OTEL_{processor}_MAX_EXPORT_BATCH_SIZE", default.batch))),
        gather_s=env_number(f"OTEL_{processor}_SCHEDULE_DELAY", 1e3 * default.gather_s) / 1e3,
    )


def env_number(name: str, default: float) -> float:
    """A positive number from the environment; the default where it is none."""
    text = os.environ.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        return default
    return value if math.isfinite(value) and value > 0 else default
