"""Why an address gave no usable answer, and what to do: the classic mistakes, each by its name."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from flashmm_backends.certificates import certificate_problem
from flashmm_orchestration.cli._spoken import Spoken, Unreachable, spoken_at


@dataclass
class NoAnswer(Exception):
    """Somebody did not answer, or not as expected. why, fix: sentences; the first without its full stop."""

    url: str
    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.url}: {self.why.rstrip('.')}. {self.fix}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address was asked for. option: gives the address. ca_option: gives an authority's certificate."""

    what: str
    option: str
    ca_option: str = ""
    grpc: bool = False
    other_protocol: str = ""
    """What to do where the other of HTTP and gRPC answers."""


def check_address(url: str, wanted: Wanted) -> None:
    """Raise NoAnswer for what is no address of an HTTP or gRPC server."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise NoAnswer(url, "that is not a valid address", f"Give {wanted.option} as http://HOST:PORT.")


def no_answer(url: str, wanted: Wanted, error: Exception) -> NoAnswer:
    """The error of a request that got no answer, after a look at what speaks there."""
    if isinstance(error, httpx.InvalidURL):
        return NoAnswer(url, f"that is not a valid address ({error})", f"Give {wanted.option} as http://HOST:PORT.")
    parts = urlsplit(url)
    if problem := certificate_problem(error):
        return _untrusted(url, wanted, problem)
    try:
        spoken = spoken_at(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except Unreachable as unreachable:
        return NoAnswer(url, unreachable.why, f"{unreachable.fix} {wanted.option} gives {wanted.what}.")
    return _mistaken(url, parts.scheme == "https", wanted, spoken) or _of_error(url, wanted, error)


def _untrusted(url: str, wanted: Wanted, problem: str) -> NoAnswer:
    fix = "Use the name that the certificate is for"
    if wanted.ca_option:
        fix = f"Give the PEM file of who signed it (itself, if self-signed) with {wanted.ca_option}, and use its name"
    return NoAnswer(url, f"its certificate isn't trusted ({problem})", fix + ".")


def _mistaken(url: str, tls: bool, wanted: Wanted, spoken: Spoken) -> NoAnswer | None:
    if spoken.encrypted and not tls:
        return NoAnswer(url, "that port speaks TLS", f"Write https:// in {wanted.option}.")
    if tls and not spoken.encrypted:
        return NoAnswer(url, f"that port speaks {spoken.value}, not TLS", f"Write http:// in {wanted.option}.")
    if spoken is not Spoken.OTHER and spoken.grpc != wanted.grpc:
        return NoAnswer(url, f"that port speaks {spoken.value}", wanted.other_protocol)
    return None


def _of_error(url: str, wanted: Wanted, error: Exception) -> NoAnswer:
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer(url, "it took the connection and gave no answer in time", "Is it overloaded or suspended?")
    if "CERTIFICATE_REQUIRED" in str(error).upper():
        return NoAnswer(url, "it asks for a client certificate", "Ask from a bot that has one.")
    why = f"the connection failed ({str(error) or type(error).__name__})"
    return NoAnswer(url, why, f"Was it stopped just now? {wanted.option} gives {wanted.what}.")
