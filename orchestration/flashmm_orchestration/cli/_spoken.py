"""What speaks at an address: asked by connecting, so that a message can name the mistake instead of its symptom."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Final

_WITHIN_S: Final = 3.0
_HTTP2_SETTINGS: Final = 4


class Spoken(Enum):
    """A protocol, in the words of a message."""

    HTTP = "plain HTTP"
    GRPC = "plain HTTP/2, as gRPC does"
    TLS = "TLS"
    TLS_GRPC = "HTTP/2 over TLS, as gRPC does"
    OTHER = "neither HTTP nor gRPC nor TLS"

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self in (Spoken.TLS, Spoken.TLS_GRPC)

    @property
    def grpc(self) -> bool:
        """Whether it is HTTP/2."""
        return self in (Spoken.GRPC, Spoken.TLS_GRPC)


@dataclass
class Unreachable(Exception):
    """No connection; why, and what to do."""

    why: str
    fix: str

    def __str__(self) -> str:
        return self.why


def spoken_at(host: str, port: int) -> Spoken:
    """Ask an address, in a few seconds at most. Raises Unreachable."""
    over_tls = _over_tls(host, port)
    return over_tls if over_tls is not None else _in_the_open(host, port)


def _connect(host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), _WITHIN_S)
    except socket.gaierror as error:
        raise Unreachable(
            f"no address is known for the name {host} ({error.strerror})", "Correct the name."
        ) from None
    except UnicodeError:
        raise Unreachable(f"{host} is not a valid host name", "Correct the name.") from None
    except TimeoutError:
        why = f"nothing answers at {host} within {_WITHIN_S:.0f} s"
        raise Unreachable(why, "Is the machine up, and does a firewall let this port through?") from None
    except ConnectionRefusedError:
        why = f"nothing listens at port {port} of {host}"
        raise Unreachable(why, "Is it running, with this port?") from None
    except OSError as error:
        raise Unreachable(
            f"{host} cannot be reached ({error.strerror})", "Check the address and the network."
        ) from None


def _over_tls(host: str, port: int) -> Spoken | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent but the question what is spoken
    context.set_alpn_protocols(["h2", "http/1.1"])
    with _connect(host, port) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                return Spoken.TLS_GRPC if wrapped.selected_alpn_protocol() == "h2" else Spoken.TLS
        except (OSError, ValueError):
            return None


def _in_the_open(host: str, port: int) -> Spoken:
    """A gRPC server speaks first, with a SETTINGS frame; or answers HTTP/1.1 with one."""
    with _connect(host, port) as plain, contextlib.suppress(OSError):
        plain.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("idna"))
        answer = plain.recv(16)
        if answer.startswith(b"HTTP/1."):
            return Spoken.HTTP
        if len(answer) > 3 and answer[3] == _HTTP2_SETTINGS:
            return Spoken.GRPC
    return Spoken.OTHER
