"""OTLP attribute values as JSON text and back, exactly: bytes and non-finite numbers are tagged."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

import orjson

_BYTES = "$bytes"
_FLOAT = "$float"
_MAP = "$map"


def to_json(value: object) -> str:
    """The value as JSON text. bytes and NaN or infinity become {"$bytes": hex}, {"$float": text}."""
    return orjson.dumps(_tagged(value)).decode()


def from_json(text: str) -> object:
    """What `to_json` was given; tuples come back as lists."""
    return _untagged(orjson.loads(text))


_PLAIN = (str, int, bool, type(None))


def _tagged(value: object) -> object:
    # Before the slow questions to abstract classes.
    if type(value) in _PLAIN:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: repr(value)}
    if isinstance(value, bytes):
        return {_BYTES: value.hex()}
    if isinstance(value, Mapping):
        return _tagged_map(cast("Mapping[str, object]", value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_tagged(item) for item in cast("Sequence[object]", value)]
    return value


def _tagged_map(value: Mapping[str, object]) -> object:
    mapped = {key: _tagged(item) for key, item in value.items()}
    # A user's own single key that looks like a tag.
    return {_MAP: mapped} if len(mapped) == 1 and next(iter(mapped)).startswith("$") else mapped


def _untagged(value: object) -> object:
    if isinstance(value, list):
        return [_untagged(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return _untagged_map(cast("dict[str, object]", value))
    return value


def _untagged_map(value: dict[str, object]) -> object:
    if len(value) == 1:
        key, item = next(iter(value.items()))
        if key == _BYTES:
            return bytes.fromhex(str(item))
        if key == _FLOAT:
            return float(str(item))
        if key == _MAP:
            value = cast("dict[str, object]", item)
    return {key: _untagged(item) for key, item in value.items()}
