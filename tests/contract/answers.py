"""Two answers of the HTTP API compared: series by labels, numbers by nearness, histograms bucket by bucket."""

import math
from collections.abc import Iterator
from typing import Any

RELATIVE = 1e-11
ABSOLUTE = 1e-280
"""Below this a number is 0: some orders of operations underflow where others don't."""


def differences(ours: dict[str, Any], theirs: dict[str, Any], *, any_of_equals: bool = False) -> list[str]:
    """What is not the same, in words; nothing where the answers agree.

    any_of_equals: of series with equal values either may have been chosen, so only values are compared.
    """
    if any_of_equals:
        ours, theirs = _values_only(ours), _values_only(theirs)
    return list(_differences(ours, theirs))


def _values_only(answer: dict[str, Any]) -> dict[str, Any]:
    """The same answer with the values at each time in order, as series named by rank."""
    at: dict[float, list[str]] = {}
    for row in answer.get("data", {}).get("result", []):
        for time, value in _all(row, "value"):
            at.setdefault(time, []).append(value)
    rows = [
        {"metric": {"time": str(time), "rank": str(rank)}, "value": [time, value]}
        for time, values in at.items()
        for rank, value in enumerate(sorted(values, key=lambda text: (text == "NaN", float(text))))
    ]
    return answer if answer["status"] == "error" else {**answer, "data": {"resultType": "vector", "result": rows}}


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    if "error" in (ours["status"], theirs["status"]):
        if ours.get("errorType") != theirs.get("errorType"):
            yield f"ours {_outcome(ours)}, theirs {_outcome(theirs)}"
        return
    kinds = [answer["data"]["resultType"] for answer in (ours, theirs)]
    results = [answer["data"]["result"] for answer in (ours, theirs)]
    if kinds[0] != kinds[1]:
        yield f"ours is a {kinds[0]}, theirs a {kinds[1]}"
    elif kinds[0] in ("scalar", "string"):
        yield from _points([results[0]], [results[1]])
    else:
        yield from _series(*results)


def _outcome(answer: dict[str, Any]) -> str:
    return f"fails ({answer['errorType']}: {answer['error']})" if answer["status"] == "error" else "succeeds"


def _series(ours: list[Any], theirs: list[Any]) -> Iterator[str]:
    left, right = ({tuple(sorted(row["metric"].items())): row for row in rows} for rows in (ours, theirs))
    for labels in sorted(left.keys() | right.keys()):
        name = dict(labels)
        if labels not in left:
            yield f"{name} is theirs only: {_short(right[labels])}"
        elif labels not in right:
            yield f"{name} is ours only: {_short(left[labels])}"
        else:
            yield from (f"{name}: {what}" for what in _row(left[labels], right[labels]))


def _short(row: dict[str, Any]) -> str:
    return str({key: value for key, value in row.items() if key != "metric"})[:300]


def _row(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    yield from _points(_all(ours, "value"), _all(theirs, "value"))
    yield from _points(_all(ours, "histogram"), _all(theirs, "histogram"))


def _all(row: dict[str, Any], key: str) -> list[Any]:
    return row.get(f"{key}s", [row[key]] if key in row else [])


def _points(ours: list[Any], theirs: list[Any]) -> Iterator[str]:
    left, right = dict(map(tuple, ours)), dict(map(tuple, theirs))
    if left.keys() != right.keys():
        only = (sorted(left.keys() - right.keys()), sorted(right.keys() - left.keys()))
        yield f"times of ours only {only[0]}, of theirs only {only[1]}"
    for time in sorted(left.keys() & right.keys()):
        if not _same(left[time], right[time]):
            yield f"at {time}: {_told(left[time], right[time])}"


def _told(ours: Any, theirs: Any) -> str:
    """Of two histograms what differs, else both."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        ours, theirs = (
            {**{key: h[key] for key in ("count", "sum")}, **{tuple(b[:3]): b[3] for b in h.get("buckets", [])}}
            for h in (ours, theirs)
        )
        changed = [key for key in {**ours, **theirs} if not near(str(ours.get(key)), str(theirs.get(key)))]
        ours, theirs = ({key: h.get(key) for key in changed[:6]} for h in (ours, theirs))
    return f"ours {ours}, theirs {theirs}"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return _same_histogram(ours, theirs)
    return ours == theirs or (isinstance(ours, str) and isinstance(theirs, str) and near(ours, theirs))


def near(ours: str, theirs: str) -> bool:
    """Whether two numbers as texts are as good as equal."""
    try:
        left, right = float(ours), float(theirs)
    except ValueError:
        return False
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right or math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _same_histogram(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    left, right = ours.get("buckets", []), theirs.get("buckets", [])
    return (
        near(ours["count"], theirs["count"])
        and near(ours["sum"], theirs["sum"])
        and len(left) == len(right)
        and all(a[0] == b[0] and all(map(near, a[1:], b[1:])) for a, b in zip(left, right, strict=True))
    )
