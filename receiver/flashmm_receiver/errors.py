"""What the receiver raises. All carry data; `str()` says what to do.

::

    ReceiverError
    ├── NotConfigured     a setting is missing or contradicts another
    ├── CannotListen      an address is taken or not ours
    └── RequestRefused    one request is answered with an error
        ├── Malformed         not the protocol: never to be sent again
        ├── TooLarge          over a size limit: never to be sent again
        ├── Unauthenticated   the bearer token is missing or wrong
        ├── Forbidden         from a page or to a name that is not ours
        └── ComeBack          the store failed: to be sent again
            └── Overloaded        too much is in flight
"""

from dataclasses import dataclass


class ReceiverError(Exception):
    """Root of what this package raises."""


@dataclass
class NotConfigured(ReceiverError):
    """A setting is missing or contradicts another."""

    setting: str
    why: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.why}"


@dataclass
class CannotListen(ReceiverError):
    """An address cannot be bound."""

    setting: str
    address: str
    why: str

    def __str__(self) -> str:
        return f"cannot listen on {self.address} ({self.setting}): {self.why}; stop what holds it or set another"


class RequestRefused(ReceiverError):
    """One request is answered with an error."""

    reason = "refused"


@dataclass
class Malformed(RequestRefused):
    """The request does not follow the protocol."""

    what: str
    reason = "malformed"

    def __str__(self) -> str:
        return self.what


@dataclass
class TooLarge(RequestRefused):
    """The request is larger than a limit."""

    setting: str
    limit: int
    reason = "too_large"

    def __str__(self) -> str:
        unit = "bytes" if self.setting.endswith("bytes_max") else "messages"
        return f"the request exceeds {self.limit} {unit} ({self.setting}): send smaller batches"


class Unauthenticated(RequestRefused):
    """The bearer token is missing or wrong."""

    reason = "unauthenticated"

    def __str__(self) -> str:
        return "a valid bearer token is required: send 'authorization: Bearer <token>'"


class Forbidden(RequestRefused):
    """A browser was led here: reason is `origin` or `host`."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass
class ComeBack(RequestRefused):
    """Not now; the same request may succeed later."""

    why: str
    reason = "unavailable"

    def __str__(self) -> str:
        return f"try again later: {self.why}"


class Overloaded(ComeBack):
    """Too much is in flight."""

    reason = "overloaded"
