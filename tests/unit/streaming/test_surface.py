"""The package's public surface."""

import flashmm_streaming


def test_public_names():
    """What is public is listed, and there."""
    assert len(set(flashmm_streaming.__all__)) == len(flashmm_streaming.__all__)
    assert all(hasattr(flashmm_streaming, name) for name in flashmm_streaming.__all__)
