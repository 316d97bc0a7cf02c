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
    """A new secret, readable by the services that the folder is mounted into; False where there is one.

    It has its name once it is whole: half a one, of a full disk, would be kept.
    """
    new = _written(path, secrets.token_urlsafe(24))
    try:
        path.hardlink_to(new)
    except FileExistsError:
        return False
    finally:
        new.unlink()
    return True


def _replace(path: Path, text: str) -> None:
    _written(path, text).replace(path)


def _written(path: Path, text: str) -> Path:
    """The text in a file beside the path."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with new.open("x") as file:
        os.fchmod(file.fileno(), 0o444)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return new


if __name__ == "__main__":
    main(Path(sys.argv[1]))
