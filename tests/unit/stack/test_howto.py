"""docs/how-to/stack.md against what it describes."""

import re

from tests.parts._catalogue import REPOSITORY

_TEXT = (REPOSITORY / "docs/how-to/stack.md").read_text()


def test_every_overlay_is_described() -> None:
    """The table of overlays is the folder's content, but for the build manifest."""
    named = set(re.findall(r"`([a-z-]+)`", _TEXT.split("| overlay | for |")[1].split("##")[0]))
    assert named == {path.stem for path in (REPOSITORY / "collector-config").glob("*.yaml")} - {"builder"}


def test_every_variable_is_read_somewhere() -> None:
    """A variable in the text is one that compose or a configuration reads."""
    files = ["docker-compose.yml", "otel-collector.yaml"]
    files += [f"collector-config/{path.name}" for path in (REPOSITORY / "collector-config").glob("*.yaml")]
    read = "\n".join((REPOSITORY / name).read_text() for name in files)
    for variable in re.findall(r"\b(?:COLLECTOR|OTLP|PUBLISH)_[A-Z_]+", _TEXT):
        assert variable in read, variable


def test_every_secret_is_made() -> None:
    """`secrets show` is told names that the first start makes."""
    made = (REPOSITORY / "deploy/flashmm/first_start.py").read_text()
    for name in re.findall(r"secrets show ([a-z-]+)", _TEXT):
        assert f'"{name}"' in made, name
