"""Which state of an order may follow which. Anything else still happened: it is reported, and counted."""

from typing import Final

from flashmm_instrumentation.semconv.attributes import OrderState

_S = OrderState
_RESTING: Final = frozenset(
    {
        _S.REPLACED,
        _S.REPLACE_REJECTED,
        _S.PART_FILLED,
        _S.FILLED,
        _S.CANCEL_PENDING,
        _S.CANCELLED,
        _S.EXPIRED,
        _S.UNKNOWN,
    }
)

LEGAL: Final[dict[OrderState, frozenset[OrderState]]] = {
    # A fill or an end may overtake the acknowledgement.
    _S.PENDING: frozenset(
        {_S.ACKED, _S.REJECTED, _S.UNKNOWN, _S.PART_FILLED, _S.FILLED, _S.CANCEL_PENDING, _S.CANCELLED, _S.EXPIRED}
    ),
    _S.UNKNOWN: _RESTING | {_S.ACKED, _S.REJECTED},
    _S.ACKED: _RESTING,
    _S.REPLACED: _RESTING,
    _S.PART_FILLED: _RESTING | {_S.ACKED},
    # A cancel may be refused (back to acknowledged) or lose against a fill.
    _S.CANCEL_PENDING: (_RESTING | {_S.ACKED}) - {_S.REPLACED, _S.CANCEL_PENDING},
    _S.FILLED: frozenset({_S.ACKED}),
    _S.CANCELLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
}

TERMINAL: Final = frozenset({_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED})


def follows(before: OrderState, told: OrderState) -> OrderState:
    """The state to be in: an end is one for good, a late acknowledgement undoes no fill, a refused amend nothing."""
    late = told is _S.ACKED and before is _S.PART_FILLED
    return before if late or before in TERMINAL or told is _S.REPLACE_REJECTED else told
