"""The kinds of panel, with what every one of ours has: a description, a unit, thresholds, a width fit for a phone.

Grafana's grid has 24 columns, and a phone stacks panels to its own width: figures take 6 columns, curves 12 or 24.
"""

from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    gauge,
    heatmap,
    logs,
    loki,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from flashmm_dashboards.boards._links import LOKI, PROMETHEUS

Panel = Builder[model.Panel]
Steps = tuple[tuple[float, str], ...]

NEUTRAL: Final[Steps] = ()
"""No value is good or bad."""
ANY_IS_BAD: Final[Steps] = ((1e-9, "red"),)
SHARE_OF_LIMIT: Final[Steps] = ((0.8, "orange"), (0.95, "red"))
BELOW_ZERO_IS_BAD: Final[Steps] = ((0.0, "green"),)
"""Applied with `base="red"`."""

BASIS_POINTS: Final = "suffix: bps"
SHARE: Final = "percentunit"
SECONDS: Final = "s"
BYTES: Final = "bytes"
NUMBER: Final = "short"
A_SECOND: Final = "cps"
BINARY: Final = "bool_on_off"

_HALF: Final = 12
_QUARTER: Final = 6
_WHOLE: Final = 24


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel. exemplars: its points carry the orders behind them."""

    expr: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What a panel says of itself. base: the colour below the first of the thresholds, where it has any."""

    title: str
    description: str
    unit: str
    steps: Steps = NEUTRAL
    base: str = "green"
    decimals: int | None = None


class _Kind(Protocol):
    """What the builders of all kinds of panel have in common."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def decimals(self, decimals: float) -> Self: ...
    def datasource(self, datasource: model.DataSourceRef) -> Self: ...
    def thresholds(self, thresholds: Builder[model.ThresholdsConfig]) -> Self: ...
    def with_target(self, target: Builder[Dataquery]) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...


_KindT = TypeVar("_KindT", bound=_Kind)


def curves(about: About, *queries: Query, wide: bool = False) -> timeseries.Panel:
    """Values over time. wide: over the whole width."""
    panel = (
        _described(timeseries.Panel(), about)
        .span(_WHOLE if wide else _HALF)
        .height(8)
        .line_width(1)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if about.steps:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return _asking(panel, queries)


def figure(about: About, query: Query) -> stat.Panel:
    """The latest value, large, with its recent course behind it."""
    panel = (
        _described(stat.Panel(), about)
        .span(_QUARTER)
        .height(5)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return _asking(panel, (query,))


def dial(about: About, query: Query, *, top: float = 1.0) -> gauge.Panel:
    """The latest value between zero and its limit. top: the end of the scale."""
    panel = (
        _described(gauge.Panel(), about)
        .span(_HALF)
        .height(8)
        .min(0)
        .max(top)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return _asking(panel, (query,))


def rows(about: About, query: Query) -> table.Panel:
    """The latest value of each series as a table."""
    panel = _described(table.Panel(), about).span(_HALF).height(8).filterable(True)
    target = _target(query, 0).instant().format(PromQueryFormat.TABLE)
    return panel.with_target(target).with_transformation(
        model.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    )


def density(about: About, query: Query) -> heatmap.Panel:
    """How a histogram's observations lie, over time; dots are single orders."""
    panel = (
        _described(heatmap.Panel(), about)
        .span(_WHOLE)
        .height(9)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(about.unit))
        .exemplars_color("rgba(255,0,255,0.7)")
    )
    return panel.with_target(_target(query, 0).format(PromQueryFormat.HEATMAP))


def states(about: About, query: Query) -> statetimeline.Panel:
    """On and off over time, a row for each series."""
    panel = _described(statetimeline.Panel(), about).span(_WHOLE).height(7).row_height(0.8)
    panel.mappings([_ON_OFF]).show_value(VisibilityMode.NEVER)
    return _asking(panel, (query,))


def lines(about: About, logql: str) -> logs.Panel:
    """Log lines; one that belongs to an order links to its trace."""
    panel = _described(logs.Panel(), about).datasource(LOKI).span(_WHOLE).height(9)
    target = loki.Dataquery().datasource(LOKI).expr(logql).ref_id("A").query_type("range").max_lines(200)
    return panel.show_time(True).wrap_log_message(True).enable_log_details(True).with_target(target)


_ON_OFF: Final = model.ValueMap(
    options={
        "0": model.ValueMappingResult(text="away", color="red", index=0),
        "1": model.ValueMappingResult(text="up", color="green", index=1),
    }
)


def _described(panel: _KindT, about: About) -> _KindT:
    panel.title(about.title).description(about.description).unit(about.unit).datasource(PROMETHEUS)
    panel.thresholds(_thresholds(about))
    if about.decimals is not None:
        panel.decimals(about.decimals)
    return panel


def _thresholds(about: About) -> dashboard.ThresholdsConfig:
    base = about.base if about.steps else "text"  # colour says good or bad, and nothing where no value is either
    steps = [model.Threshold(None, base), *(model.Threshold(value, color) for value, color in about.steps)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _asking(panel: _KindT, queries: tuple[Query, ...]) -> _KindT:
    for place, query in enumerate(queries):
        panel.with_target(_target(query, place).range())
    return panel


def _target(query: Query, place: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(PROMETHEUS).expr(query.expr).ref_id(chr(ord("A") + place))
    target.legend_format(query.legend or "__auto")
    return target.exemplar(True) if query.exemplars else target
