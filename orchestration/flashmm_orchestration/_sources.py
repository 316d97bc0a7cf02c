"""Where settings come from: flags, the environment, a TOML file; and what each told, before anybody judges it.

A secret may also be given as the path of a file that holds it: `http.token_file`, `FLASHMM_HTTP__TOKEN_FILE`. A
command line can be read by every user of a machine, and an environment by whatever the program starts.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "FLASHMM_"
NESTED: Final = "__"
CONFIG_VARIABLE: Final = "FLASHMM_CONFIG"
DEFAULT_FILE: Final = Path("flashmm.toml")
OTHER_VARIABLES: Final = (
    CONFIG_VARIABLE,
    "FLASHMM_ACCOUNT",
    "FLASHMM_GRAFANA_TOKEN",
    "FLASHMM_GRAFANA_TOKEN_FILE",
    "FLASHMM_GRAFANA_URL",
    "FLASHMM_LOKI_URL",
    "FLASHMM_OTLP_TOKEN_FILE",
    "FLASHMM_OTLP_URL",
    "FLASHMM_PARTS",
    "FLASHMM_PROMETHEUS_URL",
    "FLASHMM_QUEUE_MAX_BYTES",
    "FLASHMM_REQUIRE_REAL",
    "FLASHMM_SOAK",
    "FLASHMM_TEMPO_URL",
    "FLASHMM_URL",
)
"""Variables of ours that are no settings: of single commands, of the Collector's configuration, of the tests."""

_SECRETS: Final = frozenset({"token", "password", "secret_key"})
_FILE: Final = "_file"
# What Kubernetes puts into every container beside a service named flashmm.
_KUBERNETES: Final = re.compile(
    r"FLASHMM(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)

SettingPath = tuple[str, ...]
Known = Mapping[SettingPath, object]


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it was told."""

    value: object
    origin: str


@dataclass
class BadSettings(Exception):
    """Settings that cannot be used; one line a problem: the setting, its value, where it was told, the remedy."""

    problems: list[str]

    def __str__(self) -> str:
        return "\n".join(self.problems)


@dataclass(slots=True)
class Told:
    """What was given, by setting, the winner alone; and what could not be understood."""

    values: dict[SettingPath, Given] = field(default_factory=dict[SettingPath, Given])
    problems: list[str] = field(default_factory=list[str])

    def nested(self) -> dict[str, Any]:
        """The values as nested dicts."""
        result: dict[str, Any] = {}
        for path, given in self.values.items():
            group = result
            for part in path[:-1]:
                group = group.setdefault(part, {})
            group[path[-1]] = given.value
        return result


def gather(flags: Mapping[str, object], environ: Mapping[str, str], known: Known) -> Told:
    """All sources, the later wins: the file that the environment names, the environment, the flags."""
    told = Told()
    file = config_file(environ)
    for source in (
        _from_mapping(_read(file, named=CONFIG_VARIABLE in environ), known, str(file)),
        _from_environment(environ, known),
        _from_mapping(flags, known, ""),
    ):
        _take(told, source, known)
    return told


def config_file(environ: Mapping[str, str]) -> Path:
    """The file that is read where it exists."""
    return Path(environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def variable(path: SettingPath) -> str:
    """A setting's environment variable."""
    return PREFIX + NESTED.join(path).upper()


def is_secret(path: SettingPath) -> bool:
    """True for a setting whose value is never shown."""
    return path[-1] in _SECRETS


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean …?` where a name is close, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _take(told: Told, source: Iterator[tuple[SettingPath, Given]], known: Known) -> None:
    of_source: dict[SettingPath, Given] = {}
    for path, given in source:
        if path in known:
            target = path
        elif (secret := _secret_of(path)) in known:
            target, given = secret, _from_secret_file(told, path, given)
        else:
            told.problems.append(_unknown(path, given, known))
            continue
        if target in of_source:
            both = f"{'.'.join(target)} and {'.'.join(target)}{_FILE} are both set, by {given.origin}: keep one"
            told.problems.append(both)
        of_source[target] = given
    told.values |= of_source


def _secret_of(path: SettingPath) -> SettingPath:
    return (*path[:-1], path[-1].removesuffix(_FILE)) if path[-1] in {each + _FILE for each in _SECRETS} else ()


def _from_secret_file(told: Told, path: SettingPath, given: Given) -> Given:
    try:
        return Given(read_secret(Path(str(given.value))), f"{given.value}, named by {given.origin}")
    except BadSettings as error:
        told.problems += [f"{'.'.join(path)} = {given.value}, from {given.origin}: {each}" for each in error.problems]
        return Given("", given.origin)


def read_secret(path: Path) -> str:
    """The first line of a file. Raises BadSettings where it cannot be read or holds nothing."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise BadSettings([f"cannot be read ({reason(error)}); name a readable file that holds the secret"]) from None
    if not lines or not lines[0].strip():
        raise BadSettings(["holds nothing in its first line; write the secret there"])
    return lines[0].strip()


def reason(error: Exception) -> str:
    """What the system says of a file, without its path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unknown(path: SettingPath, given: Given, known: Known) -> str:
    name = ".".join(path)
    inside = [".".join(each) for each in known if each[: len(path)] == path]
    if inside:
        return f"{name} = {shown(given.value)}, from {given.origin}: it is a group; set {inside[0]} or its neighbours"
    if given.origin == variable(path):
        names = [*map(variable, known), *OTHER_VARIABLES]
        return f"{given.origin} is not a variable of this program{nearest(given.origin, names)}"
    close = nearest(name, (".".join(each) for each in known))
    return f"{name} = {shown(given.value)}, from {given.origin}: there is no such setting{close}"


def shown(value: object) -> str:
    """A value as a message may carry it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else text[:99] + "…"


def _read(file: Path, *, named: bool) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise BadSettings(
                [f"{CONFIG_VARIABLE} names {file}, which does not exist: write it, or unset the variable"]
            ) from None
        return {}
    except OSError as error:
        remedy = f"make it readable, or name another file in {CONFIG_VARIABLE}"
        raise BadSettings([f"{file} cannot be read ({reason(error)}): {remedy}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadSettings([f"{file} is not TOML: {error}"]) from None


def _from_mapping(values: Mapping[str, object], known: Known, file: str) -> Iterator[tuple[SettingPath, Given]]:
    """The leaves of nested tables. file: empty for flags, which are named after the setting."""
    for path, value in _leaves(values, (), known):
        if value is not None:
            yield path, Given(value, file or f"--{path[-1].replace('_', '-')}")


def _leaves(values: Mapping[str, Any], above: SettingPath, known: Known) -> Iterator[tuple[SettingPath, object]]:
    for name, value in values.items():
        path = (*above, name)
        if isinstance(value, dict) and path not in known:
            yield from _leaves(value, path, known)  # pyright: ignore[reportUnknownArgumentType] - TOML
        else:
            yield path, value


def _from_environment(environ: Mapping[str, str], known: Known) -> Iterator[tuple[SettingPath, Given]]:
    """An empty variable counts as not set, as in OpenTelemetry's."""
    foreign = frozenset(OTHER_VARIABLES)
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in foreign or not value:
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split(NESTED))
        if path not in known and "KUBERNETES_SERVICE_HOST" in environ and _KUBERNETES.fullmatch(name):
            continue
        yield path, Given(value, name)


def environment() -> Mapping[str, str]:
    """This process's."""
    return os.environ
