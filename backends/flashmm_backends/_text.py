"""Numbers and attribute values as the Go programs around us write them."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

_NAMED = {math.inf: "+Inf", -math.inf: "-Inf"}


def decimal_text(value: float) -> str:
    """Shortest decimal that reads back as `value`, never with an exponent: label values, samples in JSON."""
    text = repr(value)
    if "e" not in text and "n" not in text:
        return text[:-2] if text.endswith(".0") else text
    if value != value:
        return "NaN"
    return _NAMED.get(value) or format(Decimal(text), "f")


def attribute_text(value: object) -> str:
    """An OTLP attribute value as a label value: strings as they are, bytes in base64, maps and lists as JSON.

    value: None, str, bool, int, float, bytes, a mapping or a sequence of the same.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping | Sequence):
        return _json_or_empty(cast("object", value))
    return str(value)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return _json_number(value)


def _json_number(value: float) -> str:
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
        sign, digits = exponent[0], exponent[1:].lstrip("0")
        return f"{mantissa}e{sign}{digits}"
    return decimal_text(value)


def _json_or_empty(value: object) -> str:
    try:
        return _json(value)
    except _NotJson:
        return ""


class _NotJson(ValueError):
    """JSON has no NaN and no infinity; the whole value is then empty, as Go's encoder leaves it."""


def _json(value: object) -> str:
    if isinstance(value, Mapping):
        items = sorted(cast("Mapping[str, object]", value).items())
        return "{" + ",".join(f"{_json_string(key)}:{_json(item)}" for key, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(item) for item in cast("Sequence[object]", value)) + "]"
    return _json_scalar(value)


def _json_scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, bytes):
        return _json_string(attribute_text(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NotJson(value)
        return _json_number(value)
    return attribute_text(value)


def _json_string(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
