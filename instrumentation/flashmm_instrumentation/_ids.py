"""Run ids, UUIDv7, so that runs sort by the time they began; and who makes trace and span ids."""

import os
import random
import uuid
from importlib.metadata import entry_points
from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator

_MS_NS: Final = 1_000_000


def uuid7(now_ns: int, source: random.Random) -> str:
    """A UUIDv7 of the millisecond of now_ns with 74 random bits. Source: RFC 9562, section 5.7."""
    high = (now_ns // _MS_NS) << 80 | 0x7 << 76 | source.getrandbits(12) << 64
    return str(uuid.UUID(int=high | 0b10 << 62 | source.getrandbits(62)))


def id_generator() -> IdGenerator | None:
    """What `OTEL_PYTHON_ID_GENERATOR` names; None for the SDK's own. Raises ValueError for an unknown one."""
    name = os.environ.get("OTEL_PYTHON_ID_GENERATOR", "").strip()
    if not name:
        return None
    found = list(entry_points(group="opentelemetry_id_generator", name=name))
    if not found:
        raise ValueError(f"OTEL_PYTHON_ID_GENERATOR names {name!r}, and no such id generator is installed")
    return found[0].load()()
