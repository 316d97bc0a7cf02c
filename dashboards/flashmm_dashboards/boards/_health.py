"""Panels of the stack and of this program: does telemetry arrive, is anything lost, how long will the disk last."""

from typing import Final

from flashmm_dashboards.boards import _foreign as foreign
from flashmm_dashboards.boards import _panels as panels
from flashmm_dashboards.boards._names import BOT, VENUE, WINDOW, Scope, counted, legend, or_zero
from flashmm_dashboards.boards._panels import About, Panel, Query
from flashmm_instrumentation.semconv import Metric, metrics

_BOTS: Final = Scope(by=(BOT,))
_DAY_S: Final = 86_400
_MONTH_S: Final = 30 * _DAY_S
_TREND: Final = "6h"
_TREND_TOLD: Final = "Projected from the last six hours, and the more cautiously the less of them is known"


def servers() -> Panel:
    """Which servers answer."""
    about = About(
        "Servers",
        "Whether each server of the stack answers Prometheus. A hole in all rows: Prometheus itself was away. "
        "Meanwhile flashmm's own board, at /boards, has the Collector's queues.",
        panels.BINARY,
        ((1.0, "green"),),
        base="red",
    )
    # The window has no lookback, which would bridge five minutes of Prometheus's own absence.
    return panels.states(about, Query(f"min_over_time({foreign.UP}[{WINDOW}])", legend("job")))


def collector_queues() -> Panel:
    """How full the Collector's queues are."""
    about = About(
        "Queues to the stores",
        "How full the queue to each store is. A growing one is waiting for its store; a full one turns records away.",
        panels.SHARE,
        panels.SHARE_OF_LIMIT,
    )
    return panels.curves(
        about, Query(f"{foreign.COLLECTOR_QUEUE} / {foreign.COLLECTOR_QUEUE_MAX}", legend("exporter", "data_type"))
    )


def accepted() -> Panel:
    """What the Collector takes in."""
    about = About("Accepted from bots", "Records per second that the Collector has put on its disk.", panels.A_SECOND)
    queries = [
        Query(f"sum(rate({foreign.counter(foreign.COLLECTOR_ACCEPTED, each)}[{WINDOW}]))", each)
        for each in foreign.COLLECTOR_RECORDS
    ]
    return panels.curves(about, *queries)


def refused() -> Panel:
    """What the Collector refuses."""
    about = About(
        "Refused at the door",
        "Records that the Collector could not take in the last 5 minutes, counted each time they were sent: a queue "
        "or its memory is full. Bots keep them.",
        panels.NUMBER,
        panels.ANY_IS_BAD,
    )
    return panels.curves(about, *_each_lost(foreign.COLLECTOR_REFUSED))


def delivered() -> Panel:
    """What the stores took from the Collector."""
    about = About("Delivered to the stores", "Records per second, by store.", panels.A_SECOND)
    queries = [
        Query(
            f"sum by (exporter) (rate({foreign.counter(foreign.COLLECTOR_SENT, each)}[{WINDOW}]))",
            f"{each} {legend('exporter')}",
        )
        for each in foreign.COLLECTOR_RECORDS
    ]
    return panels.curves(about, *queries)


def given_up() -> Panel:
    """What the Collector gave up on."""
    about = About(
        "Turned away by a store",
        "Records that a store refused for good in the last 5 minutes: a wrong token, or data too old for it. That "
        "store does not have them.",
        panels.NUMBER,
        panels.ANY_IS_BAD,
    )
    return panels.curves(about, *_each_lost(foreign.COLLECTOR_FAILED))


def received() -> Panel:
    """What this program takes in."""
    about = About(
        "Received by flashmm", "Records per second that became durable in the ledger, by kind.", panels.A_SECOND
    )
    return panels.curves(about, Query(f"sum by (kind) (rate({foreign.RECEIVER_RECORDS}[{WINDOW}]))", legend("kind")))


def answers() -> Panel:
    """How this program's receiver answers."""
    about = About("Answers of flashmm's receiver", "Requests per second, by signal and status code.", panels.A_SECOND)
    rate = f"sum by (signal, code) (rate({foreign.RECEIVER_REQUESTS}[{WINDOW}]))"
    return panels.curves(about, Query(rate, legend("signal", "code")))


def lost_here() -> Panel:
    """What this program refused or dropped."""
    about = About(
        "Refused or dropped by flashmm",
        "In the last 5 minutes: records that no schema allows, whole requests, items that slow live pages missed.",
        panels.NUMBER,
        panels.ANY_IS_BAD,
    )
    counted = (
        ("records", foreign.RECEIVER_REFUSED),
        ("requests", foreign.RECEIVER_REQUESTS_REFUSED),
        ("live items", foreign.STREAM_DROPPED),
    )
    return panels.curves(about, *(Query(_lost(name), what) for what, name in counted))


def commit_time() -> Panel:
    """How long a batch takes to be durable."""
    about = About(
        "Ledger's commit, p99",
        "From the start of the conversion until the journal is on disk.",
        panels.SECONDS,
        ((0.1, "orange"),),
    )
    buckets = f"sum by (le) (rate({foreign.LEDGER_COMMIT_BUCKETS}[{WINDOW}]))"
    return panels.curves(about, Query(f"histogram_quantile(0.99, {buckets})", "p99"))


def ledger_queue() -> Panel:
    """What waits for the ledger."""
    about = About("Waiting for the ledger", "Batches waiting to be committed.", panels.NUMBER, ((50.0, "orange"),))
    return panels.curves(about, Query(foreign.LEDGER_QUEUE, "batches"))


def readers() -> Panel:
    """Who looks at the live page."""
    about = About("Live clients", "Clients connected to the stream.", panels.NUMBER)
    return panels.figure(about, Query(foreign.STREAM_CLIENTS, "clients"))


def disk_free() -> Panel:
    """How much disk is left, and will be."""
    about = About(
        "Disk left, now and in 30 days",
        f"Free bytes on the ledger's disk. {_TREND_TOLD}.",
        panels.BYTES,
    )
    name = foreign.LEDGER_DISK_FREE
    return panels.curves(about, Query(name, "now"), Query(_in_a_month(name), "in 30 days"))


def disk_lasts() -> Panel:
    """When the disk will be full."""
    about = About(
        "Days until the disk is full",
        f"{_TREND_TOLD}; 3,650 if nothing is being used up.",
        "suffix: d",
        ((7.0, "orange"), (30.0, "green")),
        base="red",
        decimals=0,
    )
    used_a_day = f"clamp_min(-{_trend(foreign.LEDGER_DISK_FREE)}, 0) * {_DAY_S}"
    return panels.figure(
        about, Query(f"clamp_max({foreign.LEDGER_DISK_FREE} / ({used_a_day}), 3650)", "at this rate")
    )


def ledger_size() -> Panel:
    """What the ledger occupies."""
    about = About("Ledger's size", "Bytes of its whole directory.", panels.BYTES)
    return panels.figure(about, Query(foreign.LEDGER_DISK, "ledger"))


def retention_lost() -> Panel:
    """What the size limit took of retention."""
    about = About(
        "Retention lost to the size limit",
        "How much of the configured retention of raw points had to be given up. Events are never evicted.",
        panels.SECONDS,
        panels.ANY_IS_BAD,
    )
    return panels.figure(about, Query(foreign.LEDGER_SHORTFALL, "shortfall"))


def series_of_limit() -> Panel:
    """How many series there are, of how many allowed."""
    about = About(
        "Series against their limit",
        "Metric series that flashmm knows, divided by how many it admits. Beyond that, new ones are refused.",
        panels.SHARE,
        panels.SHARE_OF_LIMIT,
    )
    return panels.dial(about, Query(f"{foreign.RECEIVER_SERIES} / {foreign.RECEIVER_SERIES_MAX}", "series"))


def series_known() -> Panel:
    """How many series there are."""
    about = About("Series", "Metric series that flashmm and Prometheus know.", panels.NUMBER)
    queries = Query(foreign.RECEIVER_SERIES, "flashmm"), Query(foreign.PROMETHEUS_SERIES, "Prometheus")
    return panels.curves(about, *queries)


def series_trend() -> Panel:
    """How the number of series grows."""
    about = About("Series in 30 days", f"In flashmm and in Prometheus. {_TREND_TOLD}.", panels.NUMBER, decimals=0)
    queries = [
        Query(_in_a_month(name), where)
        for where, name in (("flashmm", foreign.RECEIVER_SERIES), ("Prometheus", foreign.PROMETHEUS_SERIES))
    ]
    return panels.curves(about, *queries)


def memory() -> Panel:
    """Each server's memory."""
    about = About("Memory", "Resident memory of each server.", panels.BYTES)
    names = foreign.MEMORY_BYTES, foreign.COLLECTOR_MEMORY_BYTES
    return panels.curves(about, *(Query(f"sum by (job) ({name})", legend("job")) for name in names))


def processor() -> Panel:
    """Each server's CPU."""
    about = About("CPU", "Cores that each server uses.", panels.NUMBER)
    names = foreign.CPU_SECONDS, foreign.COLLECTOR_CPU_SECONDS
    return panels.curves(about, *(Query(f"sum by (job) (rate({name}[{WINDOW}]))", legend("job")) for name in names))


def bots_queues() -> Panel:
    """What waits in the bots."""
    about = About("Waiting in bots", "Telemetry records in the bot that are not exported yet.", panels.NUMBER)
    return panels.curves(about, Query(_BOTS.grouped("sum", _BOTS.last(metrics.QUEUE_DEPTH)), legend(BOT)))


def export_lag() -> Panel:
    """How late the bots' telemetry is."""
    about = About(
        "Export lag of bots",
        "Age of the oldest telemetry record that a bot has not exported.",
        panels.SECONDS,
        ((5.0, "orange"), (30.0, "red")),
    )
    return panels.curves(about, Query(_BOTS.grouped("max", _BOTS.last(metrics.EXPORT_LAG)), legend(BOT)))


def clock_offset() -> Panel:
    """How far apart the clocks are."""
    venues = Scope(by=(BOT, VENUE))
    about = About("Clock offset", "The exchange's clock less the bot's, at the last message.", panels.SECONDS)
    return panels.curves(about, Query(venues.grouped("avg", venues.last(metrics.CLOCK_OFFSET)), venues.legend()))


def bots_complaints() -> Panel:
    """What went wrong in the bots."""
    about = About(
        "Dropped, misused, failed in bots",
        "In the last 5 minutes: telemetry records dropped before export, measurements folded because there were "
        "too many attribute sets, doubtful calls of the instrumentation, and the bots' errors.",
        panels.NUMBER,
        panels.ANY_IS_BAD,
    )
    counted: tuple[tuple[str, Metric], ...] = (
        ("records dropped", metrics.RECORDS_DROPPED),
        ("measurements folded", metrics.METRIC_OVERFLOW),
        ("doubtful calls", metrics.MISUSE),
        ("errors", metrics.ERRORS),
    )
    return panels.curves(about, *(Query(_lost(_BOTS.last(each)), what) for what, each in counted))


def _trend(name: str) -> str:
    """A gauge's growth a second over six hours, less where fewer are known: a minute's says nothing of a month."""
    return f"(deriv({name}[{_TREND}]) * count_over_time({name}[{_TREND}:15s]) / 1440)"


def _in_a_month(name: str) -> str:
    return f"clamp_min({name} + {_MONTH_S} * {_trend(name)}, 0)"


def _each_lost(family: str) -> list[Query]:
    """What one of the Collector's counters of losses says of each kind of record."""
    return [Query(_lost(foreign.counter(family, each)), each) for each in foreign.COLLECTOR_RECORDS]


def _lost(counter: str) -> str:
    """How many in 5 minutes, or zero."""
    return or_zero(f"sum({counted(counter, 5)})")
