"""What an export's failure says, in words that say what to do. The texts are those of grpcio and of requests."""

import pytest

from flashmm_instrumentation._mistakes import told

GRPC = "UNAVAILABLE failed to connect to all addresses; last error: UN"


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("\0\0\x04\0\0 F \0\0 this port speaks OTLP over gRPC; HTTP has its own, mostly 4318", "mostly 4318"),
        ("('Connection aborted.', BadStatusLine('\\x00\\x00\\x12'))", "mostly 4318"),
        (f"{GRPC}AVAILABLE: ipv4:127.0.0.1:4318: Failed parsing HTTP/2 (Expected SETTINGS", "mostly 4317"),
        (f"{GRPC}KNOWN: ipv4:127.0.0.1:4317: Tls handshake failed: OPENSSL_internal:WRONG_VERSION_NU", "http://"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "http://"),
    ],
)
def test_a_wrong_endpoint_is_told_with_its_remedy(why: str, remedy: str) -> None:
    """One line, printable, without what the library said."""
    assert told(why).startswith("this port")
    assert remedy in told(why)
    assert told(why).isprintable()
    assert "error" not in told(why)


def test_any_other_failure_stays_and_leads_to_doctor() -> None:
    """What is not known is not guessed at; it is one printable line too."""
    assert told("refused\nby\x1b[31m peer") == "refused by [31m peer (`flashmm doctor` tells more)"
