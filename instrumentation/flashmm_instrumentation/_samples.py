"""A closed second as its event and as its gauges."""

from flashmm_instrumentation._core import Core
from flashmm_instrumentation._instrument import Instrument
from flashmm_instrumentation._instruments import Instruments
from flashmm_instrumentation._integrator import Sample
from flashmm_instrumentation._labels import Attributes
from flashmm_instrumentation._numbers import text
from flashmm_instrumentation._streams import Body
from flashmm_instrumentation._sums import Sums
from flashmm_instrumentation.semconv import events


def sample_body(terms: Instrument, sample: Sample, depth_notional: str | None) -> Body:
    """The `flashmm.spread.sample` event's body. An integral over no time is absent."""
    sums = sample.sums
    return {
        "venue": terms.venue,
        "symbol": terms.symbol,
        "start_ns": sample.start_ns,
        "duration_ns": sample.end_ns - sample.start_ns,
        **_times(sums),
        **_integrals(sums),
        "depth_spread_integral": text(sums.depth_valid) if sums.depth_ns else None,
        "depth_ns": sums.depth_ns if depth_notional is not None else None,
        "depth_notional": depth_notional,
        "bid": _price(sample.bid),
        "ask": _price(sample.ask),
        "own_bid": _price(sample.own_bid),
        "own_ask": _price(sample.own_ask),
        "own_volume": text(sums.own_volume),
        "market_volume": text(sums.market_volume),
        "trades": sums.trades,
        "updates": sums.updates,
        "reordered": sums.reordered,
        "assignment_id": sample.assignment_id,
    }


def _times(sums: Sums) -> dict[str, int]:
    return {
        "valid_ns": sums.valid_ns,
        "quoting_ns": sums.quoting_ns,
        "two_sided_ns": sums.two_sided_ns,
        "at_best_ns": sums.at_best_ns,
        "one_tick_ns": sums.one_tick_ns,
        "unknown_ns": sums.unknown_ns,
        "paired_ns": sums.paired_ns,
        "crossed_ns": sums.crossed_ns,
        "stale_ns": sums.stale_ns,
        "one_sided_ns": sums.one_sided_ns,
    }


def _integrals(sums: Sums) -> dict[str, str | None]:
    known_ns = sums.valid_ns - sums.unknown_ns
    return {
        "own_spread_integral": _integral(sums.own_paired, sums.paired_ns),
        "market_spread_integral": _integral(sums.market_paired, sums.paired_ns),
        "total_spread_integral": _integral(sums.total_paired, sums.paired_ns),
        "mid_integral": _mid_integral(sums.mid2_paired, sums.paired_ns),
        "market_spread_integral_valid": _integral(sums.market_known, known_ns),
        "mid_integral_known": _mid_integral(sums.mid2_known, known_ns),
        "total_spread_integral_valid": _integral(sums.total_valid, sums.valid_ns),
        "mid_integral_valid": _mid_integral(sums.mid2_valid, sums.valid_ns),
        "own_spread_integral_two_sided": _integral(sums.own_two_sided, sums.two_sided_ns),
        "mid_integral_two_sided": _mid_integral(sums.mid2_two_sided, sums.two_sided_ns),
    }


def _integral(total: int, ns: int) -> str | None:
    return text(total) if ns else None


def _mid_integral(doubled: int, ns: int) -> str | None:
    return text(doubled * 5, 19) if ns else None


def _price(price: int | None) -> str | None:
    return None if price is None else text(price)


def emit_sample(
    core: Core, terms: Instrument, labels: Attributes, sample: Sample, depth_notional: str | None
) -> None:
    """Send the event, set the gauges to the second's time-weighted means, add to what is counted over time."""
    core.streams.emit(events.SPREAD_SAMPLE.name, sample.end_ns, sample_body(terms, sample, depth_notional))
    sums, instruments = sample.sums, core.instruments
    if sums.mid2_two_sided:
        instruments.quote_spread.set(2 * sums.own_two_sided / sums.mid2_two_sided, labels)
    if sums.mid2_known:
        instruments.market_spread.set(2 * sums.market_known / sums.mid2_known, labels)
    instruments.quote_uptime.set(sums.two_sided_ns / (sample.end_ns - sample.start_ns), labels)
    if sums.mid2_paired:
        _count_paired(instruments, sums, labels)


def _count_paired(instruments: Instruments, sums: Sums, labels: Attributes) -> None:
    seconds = sums.paired_ns / 1e9
    instruments.paired_time.add(seconds, labels)
    instruments.paired_quote_spread.add(2 * sums.own_paired / sums.mid2_paired * seconds, labels)
    instruments.paired_market_spread.add(2 * sums.market_paired / sums.mid2_paired * seconds, labels)
