"""Ears on the stock exporters."""

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

from flashmm_instrumentation._listening import listened_grpc


class Unknown:
    """An exporter of a release that names its parts otherwise."""

    def __init__(self, endpoint: str, retryable_error_codes: object = "its own") -> None:
        self.endpoint, self.retryable = endpoint, retryable_error_codes

    def shutdown(self) -> None:
        """Nothing is open."""


def test_a_release_with_other_parts_keeps_its_own_retries() -> None:
    """setup() doesn't fail over it, and what is refused for now is still tried again."""
    exporter = listened_grpc(Unknown, {"endpoint": "127.0.0.1:4317"})
    assert (exporter.endpoint, exporter.retryable) == ("127.0.0.1:4317", "its own")


def test_the_release_that_is_locked_has_the_parts_that_are_listened_to() -> None:
    """Otherwise the above would hide that nobody listens."""
    exporter = listened_grpc(OTLPLogExporter, {"endpoint": "127.0.0.1:4317", "insecure": True})
    assert type(exporter._client).__name__ == "_Stub"
    exporter.shutdown()
