"""Run ids: UUIDv7, so that runs sort by the time they began."""

import random
import uuid
from typing import Final

_MS_NS: Final = 1_000_000


def uuid7(now_ns: int, source: random.Random) -> str:
    """A UUIDv7 of the millisecond of now_ns with 74 random bits. Source: RFC 9562, section 5.7."""
    high = (now_ns // _MS_NS) << 80 | 0x7 << 76 | source.getrandbits(12) << 64
    return str(uuid.UUID(int=high | 0b10 << 62 | source.getrandbits(62)))
