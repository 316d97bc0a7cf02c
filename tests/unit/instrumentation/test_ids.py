"""Run ids."""

import uuid
from random import Random

import pytest
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from flashmm_instrumentation._ids import id_generator, uuid7


def test_a_run_id_is_a_uuid7_of_its_time() -> None:
    """Version and variant are right, the time is in front, and later ids sort later."""
    source = Random(1)
    now_ns = 1_700_000_000_123_456_789
    found = uuid.UUID(uuid7(now_ns, source))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == now_ns // 1_000_000
    assert uuid7(now_ns, source) < uuid7(now_ns + 1_000_000, source)


def test_the_id_generator_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its entry point, as in the stock SDK; a name that nobody has is an error."""
    monkeypatch.delenv("OTEL_PYTHON_ID_GENERATOR", raising=False)
    assert id_generator() is None
    monkeypatch.setenv("OTEL_PYTHON_ID_GENERATOR", "random")
    assert isinstance(id_generator(), RandomIdGenerator)
    monkeypatch.setenv("OTEL_PYTHON_ID_GENERATOR", "xray-of-nobody")
    with pytest.raises(ValueError, match="xray-of-nobody"):
        id_generator()
