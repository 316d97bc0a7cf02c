"""Wrong endpoints, by what the failure of an export says: port and protocol, TLS and none. Pure."""

import re
from typing import Final

_TO_HTTP: Final = "this port speaks HTTP, not gRPC: use the gRPC one, mostly 4317, or protocol http/protobuf"
_TO_GRPC: Final = "this port speaks gRPC, not HTTP: use the HTTP one, mostly 4318, or protocol grpc"
_TO_PLAIN: Final = "this port has no TLS: begin the endpoint with http://, not https://"
_MISTAKES: Final = (
    (re.compile("Failed parsing HTTP/2"), _TO_HTTP),
    (re.compile("WRONG_VERSION_NU"), _TO_PLAIN),
    (re.compile("speaks OTLP over gRPC|BadStatusLine|\0\0"), _TO_GRPC),
)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")


def told(why: str) -> str:
    """The mistake and its remedy where `why` is of a known one; else itself, printable, and whom to ask."""
    known = next((remedy for sign, remedy in _MISTAKES if sign.search(why)), None)
    return known or f"{_UNPRINTABLE.sub(' ', why).strip()} (`flashmm doctor` tells more)"
