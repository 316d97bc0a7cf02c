"""Label sets: what operators drop, keep and compare."""

from collections.abc import Callable, Collection, Iterable, Sequence

from flashmm_backends.batch import Labels

NAME = "__name__"
_METADATA = frozenset({NAME, "__type__", "__unit__"})


def get(labels: Labels, name: str) -> str:
    """The value of a label; empty where it is missing."""
    for key, value in labels:
        if key == name:
            return value
    return ""


def without_metadata(labels: Labels) -> Labels:
    """Without the metric name (and type and unit), as for the result of a calculation."""
    return tuple([pair for pair in labels if pair[0] not in _METADATA])


def without(labels: Labels, names: Collection[str]) -> Labels:
    """Without the named labels."""
    return tuple([pair for pair in labels if pair[0] not in names])


def only(labels: Labels, names: Collection[str]) -> Labels:
    """The named labels alone."""
    return tuple([pair for pair in labels if pair[0] in names])


def updated(labels: Labels, changes: Iterable[tuple[str, str]]) -> Labels:
    """With labels set, or removed where the new value is empty."""
    values = dict(labels) | dict(changes)
    return tuple(sorted((name, value) for name, value in values.items() if value))


def grouping(names: Sequence[str], *, excluded: bool) -> Callable[[Labels], Labels]:
    """The labels by which series belong together: `by` or `on` the names, or `without` or `ignoring` them."""
    if excluded:
        dropped = frozenset(names) | {NAME}
        return lambda labels: without(labels, dropped)
    kept = frozenset(names)
    return lambda labels: only(labels, kept)


def written(labels: Labels) -> str:
    """As Prometheus prints a series: {__name__="up", job="a"}."""
    return "{" + ", ".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
