"""What was wrong with a server's certificate, out of the error of a request to it."""

_REFUSED = "CERTIFICATE_VERIFY_FAILED"


def certificate_problem(error: BaseException | None) -> str:
    """Why a certificate was refused; empty where that isn't what went wrong.

    Read from the texts: gRPC and httpx hand on no more of what OpenSSL says.
    """
    while error is not None:
        _, refused, why = str(error).partition(_REFUSED)
        if refused:
            return why.strip(" ]:").partition(" (_ssl")[0] or "not trusted"
        error = error.__cause__ or error.__context__
    return ""
