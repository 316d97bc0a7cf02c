"""SQL by name: every statement lives in `sql/*.sql` under a `-- name:` line and a line that says what it is for."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_PACKAGE = "flashmm_backends.ledger"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def queries(file: str) -> Mapping[str, str]:
    """The statements of `sql/<file>.sql` by name."""
    text = resources.files(_PACKAGE).joinpath("sql", f"{file}.sql").read_text("utf-8")
    parts = _NAME.split(text)[1:]
    return {name: body.strip().removesuffix(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}


def migrations() -> list[tuple[int, str]]:
    """Schema changes in order: (version, script), from `sql/migrations/<version>_<what>.sql`."""
    folder = resources.files(_PACKAGE).joinpath("sql", "migrations")
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [(int(file.name.split("_")[0]), file.read_text("utf-8")) for file in files]


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"
