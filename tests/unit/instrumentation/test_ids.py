"""Run ids."""

import uuid
from random import Random

from flashmm_instrumentation._ids import uuid7


def test_a_run_id_is_a_uuid7_of_its_time() -> None:
    """Version and variant are right, the time is in front, and later ids sort later."""
    source = Random(1)
    now_ns = 1_700_000_000_123_456_789
    found = uuid.UUID(uuid7(now_ns, source))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == now_ns // 1_000_000
    assert uuid7(now_ns, source) < uuid7(now_ns + 1_000_000, source)
