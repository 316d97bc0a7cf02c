"""`make parts`: builds the real servers from their Go modules, once, outside the tree.

Standard library only, so that it runs before there is a virtual environment.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.parts._catalogue import REPOSITORY, Part, cache_root, catalogue

_GO_ENVIRONMENT = {"GOWORK": "off", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
_MODULE_LINE = re.compile(r"gomod:\s*(\S+)\s+(v\S+)")


class BuildFailed(Exception):
    """A part can't be built; the text says which, why, and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Build the named parts (all when none is named). Returns the exit code."""
    parts = catalogue()
    parser = argparse.ArgumentParser(prog="tests/parts/build", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *parts], metavar="part", help=", ".join(parts))
    names: list[str] = parser.parse_args(arguments).names or list(parts)
    try:
        for name in names:
            ensure(parts[name])
    except BuildFailed as failure:
        print(f"make parts: {failure}", file=sys.stderr)
        return 1
    return 0


def ensure(part: Part) -> None:
    """Build the part unless the cache has it. Raises BuildFailed."""
    with _only_one_builder():
        if not part.is_built:
            _report_while(part)
    print(f"{part.name} {part.version}: {part.folder}", flush=True)


def _report_while(part: Part) -> None:
    _require_go(part)
    print(f"{part.name} {part.version}: building, about {part.minutes} min the first time …", flush=True)
    started = time.monotonic()
    _build(part)
    print(f"{part.name} {part.version}: built in {time.monotonic() - started:.0f} s", flush=True)


def _require_go(part: Part) -> None:
    if shutil.which("go") is None:
        raise BuildFailed(
            f"{part.name} is built from source and there is no `go` on PATH. Install Go 1.26 or newer "
            f"and run `make parts` again, or set FLASHMM_PARTS to a folder that holds "
            f"{part.folder.name}/ from another machine. Without it the tests marked `real` are skipped."
        )


@contextmanager
def _only_one_builder() -> Generator[None]:
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(part: Part) -> None:
    work = cache_root() / f".building-{part.name}"
    shutil.rmtree(work, ignore_errors=True)
    output = work / "output"
    output.mkdir(parents=True)
    if part.builder:
        _build_collector(part, work / "source", output)
    elif part.manifest:
        _build_ours(part, work / "source", output)
    else:
        _build_module(part, work / "source", output)
    (output / "fingerprint").write_text(part.fingerprint)
    shutil.rmtree(part.folder, ignore_errors=True)
    output.rename(part.folder)
    shutil.rmtree(work)


def _build_module(part: Part, source: Path, output: Path) -> None:
    answer = _go(["mod", "download", "-json", part.module], cwd=output)
    shutil.copytree(json.loads(answer)["Dir"], source)
    subprocess.run(["chmod", "-R", "u+w", str(source)], check=True)
    for path in part.empty_files:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text("")
    for module in part.drop_replaces:
        _go(["mod", "edit", f"-dropreplace={module}"], cwd=source)
    for command in part.commands:
        _compile(_package(source, command), part, source, output / command)


def _package(source: Path, command: str) -> str:
    """Where the command's main is: a folder of its own, the only program there, or the module itself."""
    places = (f"cmd/{command}", "cmd", ".")
    return next(f"./{place}" for place in places if list((source / place).glob("*.go")))


def _build_collector(part: Part, source: Path, output: Path) -> None:
    """The builder writes the Go code; the module file is ours, as `go mod tidy` would fetch test-only modules."""
    source.mkdir()
    manifest = REPOSITORY / part.manifest
    generate = [part.builder, "--config", str(manifest), "--skip-get-modules", "--skip-compilation"]
    _go(["run", *generate], cwd=source)
    folder = source / "otelcol"
    required = "\n".join(f"\t{module} {version}" for module, version in _required_modules(part, manifest))
    (folder / "go.mod").write_text(f"module flashmm/otelcol\n\ngo 1.25.0\n\nrequire (\n{required}\n)\n")
    (folder / "go.sum").unlink(missing_ok=True)
    _compile(".", part, folder, output / part.commands[0])


def _build_ours(part: Part, source: Path, output: Path) -> None:
    """A program of this repository around the module."""
    source.mkdir()
    shutil.copy(REPOSITORY / part.manifest, source)
    required = part.module.replace("@", " ")
    (source / "go.mod").write_text(f"module flashmm/{part.name}\n\ngo 1.25.0\n\nrequire {required}\n")
    _compile(".", part, source, output / part.commands[0])


def _required_modules(part: Part, manifest: Path) -> list[tuple[str, str]]:
    listed = _MODULE_LINE.findall(manifest.read_text())
    return [*listed, ("go.opentelemetry.io/collector/otelcol", f"v{part.version}")]


def _compile(package: str, part: Part, source: Path, program: Path) -> None:
    flags = ["-mod=mod", "-trimpath", "-ldflags=-s -w", f"-tags={','.join(part.tags)}"]
    _go(["build", *flags, "-o", str(program), package], cwd=source)


def _go(arguments: list[str], *, cwd: Path) -> str:
    """Run go and return what it prints. Raises BuildFailed with the end of what it complained of."""
    environment = {**os.environ, **_GO_ENVIRONMENT}
    done = subprocess.run(["go", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        complaint = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise BuildFailed(f"`go {' '.join(arguments)}` in {cwd} failed:\n{complaint}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
