"""Who may send: the bearer token, and TLS."""

import hmac
import ssl
from dataclasses import dataclass

from flashmm_receiver.errors import NotConfigured, Unauthenticated
from flashmm_receiver.settings import ReceiverSettings


@dataclass(frozen=True, slots=True)
class Guard:
    """Checks the `authorization` header. token: empty asks for none."""

    token: str

    def check(self, authorization: str) -> None:
        """Raise Unauthenticated unless the header carries the token."""
        if not self.token:
            return
        scheme, _, token = authorization.partition(" ")
        same = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self.token.encode())
        if scheme.lower() != "bearer" or not same:
            raise Unauthenticated


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What is read from the files of the settings."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None

    @classmethod
    def read(cls, settings: ReceiverSettings) -> "TlsFiles | None":
        """None where TLS is not configured. Raises NotConfigured for a file that cannot be read."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        try:
            client_ca = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
            return cls(settings.tls_certificate.read_bytes(), settings.tls_key.read_bytes(), client_ca)
        except OSError as error:
            raise NotConfigured("tls_certificate, tls_key, tls_client_ca", str(error)) from None


def ssl_context(settings: ReceiverSettings) -> ssl.SSLContext | None:
    """For the HTTP port; None where TLS is not configured. Raises NotConfigured."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise NotConfigured("tls_certificate, tls_key, tls_client_ca", str(error)) from None
    return context
