"""Who may send: the bearer token, and TLS."""

import hmac
import ssl
from dataclasses import dataclass

from flashmm_receiver.errors import NotConfigured, Unauthenticated
from flashmm_receiver.settings import ReceiverSettings


@dataclass(frozen=True, slots=True)
class TokenCheck:
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


def ssl_context(settings: ReceiverSettings, protocol: str) -> ssl.SSLContext | None:
    """For a port that speaks a protocol, by its ALPN name; None where TLS is not configured. Raises NotConfigured."""
    if settings.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([protocol])
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        if settings.tls_client_ca is not None:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise NotConfigured("tls_certificate, tls_key, tls_client_ca", str(error)) from None
    return context
