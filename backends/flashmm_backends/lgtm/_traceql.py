"""The questions to Tempo's search. Source: https://grafana.com/docs/tempo/latest/traceql/."""

import json
from collections.abc import Mapping
from typing import Final

from flashmm_backends.ports import QueryRefused
from flashmm_instrumentation.semconv import attributes as attr

ATTRIBUTES: Final = {
    "order_id": attr.ORDER_ID,
    "bot": attr.BOT,
    "account": attr.ACCOUNT,
    "venue": attr.VENUE,
    "symbol": attr.SYMBOL,
    "side": attr.SIDE,
    "outcome": attr.ORDER_OUTCOME,
}
"""What orders can be chosen by, and the attribute of each: of the resource for bot and account, else of the span."""

TERMS: Final = {"price": attr.ORDER_PRICE, "quantity": attr.ORDER_QUANTITY}
"""What a line of the list says besides."""

_OF_RESOURCE: Final = {attr.BOT, attr.ACCOUNT}

ROOT_NAME: Final = "order"
"""The name of a placement's root, which alone of its spans has the order's id."""

_LATEST_FIRST: Final = "with (most_recent=true)"


def of_order(order_id: str) -> str:
    """Every trace with a span of the order."""
    return f"{{ span.{attr.ORDER_ID} = {_quoted(order_id)} }} {_LATEST_FIRST}"


def of_placements(where: Mapping[str, str] | None) -> str:
    """Roots of placements, with what a line of the list says. Raises QueryRefused for an unknown field."""
    if unknown := sorted(set(where or {}) - set(ATTRIBUTES)):
        raise QueryRefused(
            "bad_data", f"orders can't be chosen by {', '.join(unknown)}; known are {', '.join(ATTRIBUTES)}"
        )
    chosen = [f" && {_scoped(ATTRIBUTES[name])} = {_quoted(value)}" for name, value in (where or {}).items()]
    shown = ", ".join(map(_scoped, (*ATTRIBUTES.values(), *TERMS.values())))
    condition = f'name = "{ROOT_NAME}" && span.{attr.ORDER_ID} != nil{"".join(chosen)}'
    return f"{{ {condition} }} | select({shown}) {_LATEST_FIRST}"


def _scoped(attribute: str) -> str:
    return f"{'resource' if attribute in _OF_RESOURCE else 'span'}.{attribute}"


def _quoted(text: str) -> str:
    # TraceQL's strings are Go's, which read JSON's escapes.
    return json.dumps(text)
