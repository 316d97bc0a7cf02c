"""Makes the secrets of a stack where there are none yet, and flashmm's configuration with them.

    python first_start.py /run/flashmm

What exists is left as it is, so that it may run before every start. To change a secret, delete its file.
PAGE_HOST: the name by which browsers call the page, where that isn't this machine's loopback.
"""

import json
import os
import secrets
import sys
from pathlib import Path

SECRETS = ("api-token", "bot-tokens", "grafana-admin-password", "otlp-token", "s3-secret-key")
_CONFIGURATION = """\
# Written at each start from the tokens beside it.
data_dir = "/data"

[http]
host = "0.0.0.0"
token = "{api_token}"
allowed_hosts = ["flashmm", {page_host}]

[receiver]
grpc_bind = "0.0.0.0:4317"
http_bind = "0.0.0.0:4318"
token = "{otlp_token}"
"""
_S3_CREDENTIALS = """\
[default]
aws_access_key_id = flashmm
aws_secret_access_key = {s3_secret_key}
"""


def main(folder: Path) -> None:
    """Fill the folder. Says what it made, never what is in it."""
    made = [name for name in SECRETS if _make(folder / name)]
    tokens = {name: (folder / name).read_text() for name in SECRETS}
    page_host = json.dumps(os.environ.get("PAGE_HOST", "localhost"))
    text = _CONFIGURATION.format(api_token=tokens["api-token"], otlp_token=tokens["otlp-token"], page_host=page_host)
    _replace(folder / "flashmm.toml", text)
    _replace(folder / "s3-credentials", _S3_CREDENTIALS.format(s3_secret_key=tokens["s3-secret-key"]))
    print(f"made {', '.join(made) or 'nothing: all there'} in {folder}")  # noqa: T201 (a program's own output)


def _make(path: Path) -> bool:
    """A new secret, readable by the services that the folder is mounted into; False where there is one."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w") as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        return False
    return True


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.write_text(text)
    new.chmod(0o444)
    new.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
