"""The public surface."""

import flashmm_instrumentation
from flashmm_instrumentation import semconv


def test_all_is_sorted_and_there() -> None:
    """What __all__ promises exists, and nothing else without an underscore is a name of ours."""
    for package in (flashmm_instrumentation, semconv):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        assert all(hasattr(package, name) for name in package.__all__)
    public = {name for name in vars(flashmm_instrumentation) if not name.startswith("_")}
    assert public - set(flashmm_instrumentation.__all__) <= {"TYPE_CHECKING", "environ", "late", "semconv", "testing"}
