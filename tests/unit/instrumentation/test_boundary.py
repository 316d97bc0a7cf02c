"""The boundary between a bot and its telemetry."""

import logging

import pytest

from flashmm_instrumentation._boundary import Boundary, Misuse, survives
from flashmm_instrumentation.semconv.attributes import MisuseReason


class Handle:
    """Something with calls that fail."""

    def __init__(self, boundary: Boundary) -> None:
        self.boundary = boundary

    @survives
    def fail(self, error: Exception) -> None:
        """Raise."""
        raise error


def test_failures_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The caller goes on; the first failure of a call is logged with its traceback, all are counted."""
    boundary, errors = Boundary(), []
    boundary.on_error = errors.append
    for _ in range(3):
        Handle(boundary).fail(RuntimeError("broken"))
    assert errors == ["Handle.fail"] * 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_misuse_is_counted_by_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A nonsensical call and a bad number are the author's, and told apart from failures of ours."""
    boundary, misuses = Boundary(), []
    boundary.on_misuse = lambda reason, calls: misuses.append((reason, calls))
    handle = Handle(boundary)
    handle.fail(Misuse(MisuseReason.BAD_ARM, "x"))
    handle.fail(Misuse(MisuseReason.BAD_ARM, "y"))
    handle.fail(ValueError("no number"))
    assert misuses == [(MisuseReason.BAD_ARM, 1), (MisuseReason.BAD_ARM, 1), (MisuseReason.BAD_VALUE, 1)]
    assert len(caplog.records) == 2


def test_wrong_arguments_are_misuse(caplog: pytest.LogCaptureFixture) -> None:
    """Too many, too few or of another name, the author reads which call it was; a TypeError within is ours."""
    boundary, misuses, errors = Boundary(), [], []
    boundary.on_misuse = lambda reason, calls: misuses.append((reason, calls))
    boundary.on_error = errors.append
    handle = Handle(boundary)
    handle.fail()
    handle.fail(RuntimeError(), RuntimeError())
    handle.fail(error=RuntimeError(), more=1)
    handle.fail(TypeError("within"))
    assert misuses == [(MisuseReason.BAD_CALL, 1)] * 3
    assert errors == ["Handle.fail"]
    assert "Handle.fail() missing 1 required positional argument: 'error'" in caplog.records[0].message
    assert caplog.records[0].exc_info is None


def test_strict_raises() -> None:
    """Under test nothing is hidden."""
    with pytest.raises(Misuse, match="bad_arm: x"):
        Handle(Boundary(strict=True)).fail(Misuse(MisuseReason.BAD_ARM, "x"))
