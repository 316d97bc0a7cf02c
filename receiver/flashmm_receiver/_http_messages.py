"""HTTP/1.1 requests and responses as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What comes before a body. Header names are in lower case; repeated ones are joined by commas."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def content_length(self) -> int | None:
        """None where the body is chunked or its length is not given."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() else None

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back."""

    status: HTTPStatus
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_bytes(self, *, keep_alive: bool) -> bytes:
        """The message on the wire."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"content-type: {self.media_type}",
            f"content-length: {len(self.body)}",
            "x-content-type-options: nosniff",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if not keep_alive:
            lines.append("connection: close")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body
