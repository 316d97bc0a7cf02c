"""What must hold of the tree as a whole."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from flashmm_instrumentation.semconv import EVENT_KINDS, METRICS

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("*/flashmm_*/__init__.py"))


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """String constants that are not docstrings."""
    tree = ast.parse(path.read_text())
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def test_names_are_written_once() -> None:
    """No source but the registry spells the name of a metric or an event kind."""
    names = {metric.name for metric in METRICS} | set(EVENT_KINDS)
    sources = [path for path in tracked("*.py") if not {"tests", "semconv"} & set(path.relative_to(ROOT).parts)]
    spelled = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sources
        for line, text in literals(path)
        if text in names
    ]
    assert spelled == []


def test_lock_files_name_no_host() -> None:
    """Locks hold names, versions and hashes only."""
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert re.findall(r"https?://|--index|--find-links", lock.read_text()) == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_states_its_public_surface(package: Path) -> None:
    """`__init__.py` has a docstring and an `__all__` whose names exist."""
    module = import_module(package.name)
    assert module.__doc__
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), f"{package.name}.{name}"


def test_every_package_is_shipped_covered_and_layered() -> None:
    """A new package is entered in pyproject.toml: wheel, coverage, import contracts, types."""
    settings = (ROOT / "pyproject.toml").read_text()
    for package in PACKAGES:
        assert settings.count(package.name) >= 3, f"{package.name} is missing from a list in pyproject.toml"
        assert (package / "py.typed").exists()


def test_tests_neither_sleep_nor_mock() -> None:
    """Tests wait on conditions and talk to real peers or shipped fakes."""
    forbidden = re.compile(r"\b(?:time|asyncio)\.sleep\((?!0\))|\bunittest\.mock\b|\bmonkeypatch\.setattr\b")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked("tests/**/test_*.py")
        if path != Path(__file__)
        for match in forbidden.finditer(path.read_text())
    ]
    assert found == []


def test_links_in_the_documents_lead_somewhere() -> None:
    """Relative links of Markdown files name files that exist."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
