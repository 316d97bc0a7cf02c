"""Panels of what a bot does: money, spreads, orders, fills, latency, models."""

from typing import Final

from flashmm_dashboards.boards import _panels as panels
from flashmm_dashboards.boards._links import LINES_LOGQL, logs_link, traces_link
from flashmm_dashboards.boards._names import (
    CURRENCY,
    LIQUIDITY,
    MODEL,
    OUTCOME,
    SIDE,
    STAGE,
    Scope,
    legend,
    or_zero,
    quantile,
)
from flashmm_dashboards.boards._panels import About, Panel, Query
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_instrumentation.semconv import metrics

_PARTS: Final = (metrics.PNL_REALIZED, metrics.PNL_UNREALIZED, metrics.PNL_FEES, metrics.PNL_FUNDING)
_RESTARTS: Final = "Counted from the start of the bot's run: a restart begins again at zero."
_BASIS_POINTS: Final = "10000"
_SLOW: Final = ((0.05, "orange"), (0.25, "red"))


def total_pnl(scope: Scope) -> str:
    """PromQL of the whole P&L, by bot and currency: the sum of the parts that are told."""
    money = scope.without_symbol()
    return money.grouped("sum", money.last_of(*_PARTS), CURRENCY)


def pnl_now(scope: Scope) -> Panel:
    """The whole P&L as a figure."""
    about = About(
        "P&L",
        f"Realized and unrealized profit and loss, fees and funding together. {_RESTARTS}",
        panels.NUMBER,
        panels.BELOW_ZERO_IS_BAD,
        base="red",
        decimals=2,
    )
    return panels.figure(about, Query(total_pnl(scope), scope.without_symbol().legend(CURRENCY)))


def pnl_course(scope: Scope) -> Panel:
    """The whole P&L over time."""
    about = About("P&L over time", f"All parts together, in their currency. {_RESTARTS}", panels.NUMBER, decimals=2)
    return panels.curves(about, Query(total_pnl(scope), scope.without_symbol().legend(CURRENCY)))


def pnl_parts(scope: Scope) -> Panel:
    """What the P&L is made of."""
    money = scope.without_symbol()
    about = About("What P&L is made of", f"Fees and funding are negative when paid. {_RESTARTS}", panels.NUMBER)
    queries = [
        Query(
            money.grouped("sum", money.last(part), CURRENCY), f"{part.name.split('.')[-1]} {money.legend(CURRENCY)}"
        )
        for part in _PARTS
    ]
    return panels.curves(about, *queries)


def spreads(scope: Scope, *, wide: bool = False) -> Panel:
    """Our spread beside the market's."""
    about = About(
        "Spread, ours and the market's",
        "Time-weighted over each second, as a fraction of the mid. The market's is without our own orders.",
        panels.BASIS_POINTS,
        decimals=2,
    )
    # A lookback would carry the last quote's spread over the time without a quote.
    quoted = f"({scope.last(metrics.QUOTE_SPREAD)} and {scope.last(metrics.QUOTE_UPTIME)} > 0)"
    ours = f"{_BASIS_POINTS} * {scope.grouped('avg', quoted)}"
    market = f"{_BASIS_POINTS} * {scope.grouped('avg', scope.last(metrics.MARKET_SPREAD))}"
    queries = Query(ours, f"ours {scope.legend()}"), Query(market, f"market {scope.legend()}")
    return panels.curves(about, *queries, wide=wide)


def spread_advantage(scope: Scope) -> Panel:
    """How much tighter than the market we quote."""
    about = About(
        "Tighter than the market",
        "The market's spread without our orders less ours, averaged over those moments of the last five minutes in "
        "which we quoted both sides and it was known. No confidence interval.",
        panels.BASIS_POINTS,
        panels.BELOW_ZERO_IS_BAD,
        base="red",
        decimals=2,
    )
    market, ours, time = (
        scope.grouped("sum", scope.over("increase", metric, window="5m"))
        for metric in (metrics.PAIRED_MARKET_SPREAD, metrics.PAIRED_QUOTE_SPREAD, metrics.PAIRED_TIME)
    )
    return panels.figure(about, Query(f"{_BASIS_POINTS} * ({market} - {ours}) / ({time} > 0)", scope.legend()))


def uptime(scope: Scope) -> Panel:
    """The share of time with both sides quoted."""
    about = About(
        "Quoting both sides",
        "Share of the last five minutes in which both sides were quoted. A bot in a switchback experiment, as the "
        "demo is, pauses half of the time by design; red is a bot that quotes nothing.",
        panels.SHARE,
        ((0.001, "text"),),
        base="red",
        decimals=1,
    )
    share = scope.grouped("avg", scope.over("avg_over_time", metrics.QUOTE_UPTIME, window="5m"))
    return panels.figure(about, Query(share, scope.legend()))


def orders_by_outcome(scope: Scope) -> Panel:
    """How many orders were placed, and how that ended."""
    about = About("Orders", "Placements that ended, per second, by outcome.", panels.A_SECOND)
    rate = scope.grouped("sum", scope.rate(metrics.ORDERS), OUTCOME)
    return panels.curves(about, Query(rate, scope.legend(OUTCOME))).data_links([traces_link(), logs_link()])


def refused_share(scope: Scope) -> Panel:
    """The share of placements that did not succeed."""
    about = About(
        "Orders not accepted",
        "Share of the last five minutes' placements that were rejected, expired or are unknown.",
        panels.SHARE,
        ((0.01, "orange"), (0.05, "red")),
        decimals=1,
    )
    failed = scope.counted(metrics.ORDERS, f'{OUTCOME}!="{attr.Outcome.ACKED}"', window_m=5)
    placed = scope.counted(metrics.ORDERS, window_m=5)
    return panels.figure(about, Query(f"({or_zero(f'sum({failed})')}) / sum({placed})", "not accepted"))


def fills(scope: Scope) -> Panel:
    """Fills over time."""
    about = About("Fills", "Fills per second, by side and by whether we made or took liquidity.", panels.A_SECOND)
    rate = scope.grouped("sum", scope.rate(metrics.FILLS), SIDE, LIQUIDITY)
    return panels.curves(about, Query(rate, scope.legend(SIDE, LIQUIDITY))).data_links([traces_link(), logs_link()])


def fills_counted(scope: Scope) -> Panel:
    """Fills of the last hour as a figure."""
    about = About("Fills in an hour", "Fills of the last hour.", panels.NUMBER, decimals=0)
    number = scope.grouped("sum", scope.counted(metrics.FILLS, window_m=60))
    return panels.figure(about, Query(number, scope.legend()))


def trades_rate(scope: Scope) -> Panel:
    """Fills a minute as a figure."""
    about = About("Fills a minute", "Over the last five minutes.", panels.NUMBER, decimals=1)
    rate = scope.grouped("sum", scope.over("rate", metrics.FILLS, window="5m"))
    return panels.figure(about, Query(f"60 * {rate}", scope.legend()))


def volume(scope: Scope) -> Panel:
    """Traded notional of the last hour as a figure."""
    about = About(
        "Traded in an hour", "Notional of the last hour's fills, in its currency.", panels.NUMBER, decimals=0
    )
    traded = scope.grouped("sum", scope.counted(metrics.FILL_NOTIONAL, window_m=60), CURRENCY)
    return panels.figure(about, Query(traded, f"{scope.legend()} in {legend(CURRENCY)}"))


def latency(scope: Scope) -> Panel:
    """Quantiles of the time from tick to acknowledgement."""
    about = About(
        "Order latency",
        "From the tick that an order answers to its acknowledgement. Each dot is an order, and opens its trace.",
        panels.SECONDS,
        _SLOW,
    )
    histogram = scope.grouped("sum", scope.rate(metrics.ORDER_DURATION))
    queries = [
        Query(quantile(share, histogram), f"p{share * 100:g} {scope.legend()}", exemplars=place == 0)
        for place, share in enumerate((0.99, 0.5))
    ]
    return panels.curves(about, *queries).data_links([traces_link(), logs_link()])


def latency_by_stage(scope: Scope) -> Panel:
    """The slowest orders' time in each stage."""
    about = About(
        "Latency by stage, p99",
        "Where an order's time goes: receive, decide, risk check, sign, submit, acknowledge. Each dot is an order.",
        panels.SECONDS,
        _SLOW,
    )
    histogram = scope.grouped("sum", scope.rate(metrics.ORDER_STAGE_DURATION), STAGE)
    query = Query(quantile(0.99, histogram), scope.legend(STAGE), exemplars=True)
    return panels.curves(about, query).data_links([traces_link(), logs_link()])


def latency_density(scope: Scope) -> Panel:
    """All orders' latency."""
    about = About(
        "Latency of every order",
        "How many orders took how long. A second mode that quantiles would hide shows up as a second band.",
        panels.SECONDS,
    )
    query = Query(f"sum({scope.rate(metrics.ORDER_DURATION)})", exemplars=True)
    return panels.density(about, query).data_links([traces_link(), logs_link()])


def latency_now(scope: Scope) -> Panel:
    """The latency's p99 as a figure."""
    about = About("Order latency, p99", "From tick to acknowledgement, over five minutes.", panels.SECONDS, _SLOW)
    histogram = scope.grouped("sum", scope.over("rate", metrics.ORDER_DURATION, window="5m"))
    return panels.figure(about, Query(quantile(0.99, histogram), scope.legend()))


def lifetime(scope: Scope) -> Panel:
    """How long orders rest."""
    about = About("Orders' lifetime", "From acknowledgement to fill, cancellation or expiry.", panels.SECONDS)
    histogram = scope.grouped("sum", scope.rate(metrics.ORDER_LIFETIME))
    queries = [Query(quantile(share, histogram), f"p{share * 100:g} {scope.legend()}") for share in (0.9, 0.5)]
    return panels.curves(about, *queries)


def accuracy(scope: Scope) -> Panel:
    """How often the models were right."""
    about = About(
        "Model accuracy",
        "Share of recent predictions whose direction came true; half would be chance.",
        panels.SHARE,
        ((0.5, "green"),),
        base="orange",
    )
    share = scope.grouped("avg", scope.last(metrics.MODEL_ACCURACY), MODEL)
    return panels.curves(about, Query(share, scope.legend(MODEL)))


def inference(scope: Scope) -> Panel:
    """How long the models think."""
    models = scope.without_symbol()
    about = About("Model inference time", "Time for one prediction, p99.", panels.SECONDS, ((0.01, "orange"),))
    histogram = models.grouped("sum", models.rate(metrics.MODEL_INFERENCE_DURATION), MODEL)
    return panels.curves(about, Query(quantile(0.99, histogram), models.legend(MODEL)))


def log_lines() -> Panel:
    """What the bots said."""
    about = About(
        "Log lines",
        "What the bots logged, and in Loki every fill and order as well. A line that has a trace leads to it.",
        panels.NUMBER,
    )
    return panels.lines(about, LINES_LOGQL)
