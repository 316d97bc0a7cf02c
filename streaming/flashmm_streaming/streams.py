"""Which streams there are, and how each treats a client that cannot keep up."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class StreamKind:
    """One stream of the protocol.

    key: the fields of an item that name the thing it is the latest state of; a client that falls behind gets only
        the latest item of each key, and a `gap` that says how many it missed. Empty: the stream is lossless, and
        a client that cannot keep up loses its connection instead.
    """

    name: str
    description: str
    key: tuple[str, ...] = ()

    @property
    def lossless(self) -> bool:
        """True where every item reaches every subscriber, or the connection ends."""
        return not self.key


MARKET: Final = ("bot", "account", "venue", "symbol")
"""Whose an item is, and where."""

STREAMS: Final[dict[str, StreamKind]] = {
    kind.name: kind
    for kind in (
        StreamKind("bots", "Who is there: bot, account, run, environment.", ("bot", "account")),
        StreamKind("instruments", "What is traded: tick, lot, currencies.", MARKET),
        StreamKind("pnl", "Profit and loss by bot, account and currency.", ("bot", "account", "currency")),
        StreamKind(
            "spread", "Our spread, the market's, tick-bound share and uptime: one second, and five minutes.", MARKET
        ),
        StreamKind("market", "Best bid, best ask and mid, the market's and ours.", MARKET),
        StreamKind("latency", "Order latency quantiles, whole and by stage, over a sliding window.", MARKET),
        StreamKind("inventory", "Position and its share of the limit.", MARKET),
        StreamKind("activity", "Orders and fills so far in the run, by market.", MARKET),
        StreamKind(
            "model",
            "Accuracy as the bot reports it, hit rate from predictions and outcomes.",
            ("bot", "account", "symbol", "model", "source"),
        ),
        StreamKind("experiments", "Which arm of an experiment is in force.", (*MARKET, "experiment")),
        StreamKind("completeness", "Events received of those emitted.", ("bot", "account")),
        StreamKind("trades", "Our fills."),
        StreamKind("orders", "Order transitions and placements."),
        StreamKind("alerts", "Alerts that begin, change or end."),
    )
}
"""By name. An item is a JSON object; amounts, prices and quantities in it are decimal strings."""
