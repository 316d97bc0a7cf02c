"""OTLP names and labels → Prometheus names and labels, as Prometheus 3 does with escaping and suffixes."""

import hashlib

from flashmm_backends.batch import Labels


def series_id(labels: Labels) -> int:
    """Content hash of a label set: unsigned 64 bits, stable across processes and versions."""
    text = "\xff".join(f"{name}\xfe{value}" for name, value in labels)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
