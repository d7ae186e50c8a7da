"""From a description to Grafana's JSON, by grafana-foundation-sdk."""

import json
from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from ops.pictures.spec import GREY, RED, Board, Column, Picture, Steps

Panel = stat.Panel | timeseries.Panel | bargauge.Panel | tables.Panel | statetimeline.Panel

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "breakwater"
_LAST = common.ReduceDataOptions().calcs(["lastNotNull"])
_SEEN = common.VizLegendOptions().display_mode(common_model.LegendDisplayMode.LIST).show_legend(True)
_BELOW = _SEEN.placement(common_model.LegendPlacement.BOTTOM)


def render(board: Board, runbooks: str) -> str:
    """The dashboard's JSON, the same for the same description.

    Args:
        runbooks: address of the folder of runbooks, as it is set first in the dashboard's field.
    """
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([TAG])
        .timezone("utc")
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(_other_boards())
        .link(_runbook("Runbooks", ""))
        .annotation(_annotation("Pages", 'ALERTS{alertstate="firing", severity="page"}', RED))
        .annotation(_annotation("Starts", "changes(trader_process_start_timestamp_seconds[1m]) > 0", "blue"))
    )
    for variable in _variables(board, runbooks):
        made = made.with_variable(variable)
    number = 0
    for row in board.rows:
        # Every panel in its place: an open row in Grafana is followed by its panels.
        number += 1
        made = made.with_row(dashboard.Row(row.title).id(number))
        for picture in row.pictures:
            number += 1
            made = made.with_panel(_panel(picture).id(number))
    content = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _other_boards() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Other dashboards").type(model.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(True).include_vars(True).keep_time(True)


def _runbook(title: str, page: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).icon("doc").target_blank(True)
    return link.url("${runbooks:raw}" + (f"/{page}.md" if page else "")).tooltip(title)


def _annotation(name: str, expr: str, colour: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour).expr(expr)
    )


def _variables(board: Board, runbooks: str) -> Sequence[dashboard.QueryVariable | dashboard.TextBoxVariable]:
    hosts = (
        dashboard.QueryVariable("host")
        .label("Host")
        .datasource(SOURCE)
        .query({"query": HOSTS.format(job="node" if board.one_host else "trader"), "refId": "hosts"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if not board.one_host:
        hosts = (
            hosts.multi(True)
            .include_all(True)
            .all_value(".+")
            .current(model.VariableOption(True, "All", "$__all"))
        )
    pages = dashboard.TextBoxVariable("runbooks").label("Runbooks at").default_value(runbooks)
    pages = pages.current(model.VariableOption(True, runbooks, runbooks))
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    return [source, hosts, pages]  # type: ignore[list-item]


# What must be there, and not what answers: a host that vanished can still be chosen.
HOSTS = 'label_values(expected_target{{job="{job}"}}, host)'


def _panel(picture: Picture) -> Panel:
    panel = _of_kind(picture)
    panel = (
        panel.title(picture.title)
        .description(picture.about)
        .datasource(SOURCE)
        .span(picture.width)
        .height(picture.height)
        .unit(picture.unit)
        .no_value("no data")
        .thresholds(_thresholds(picture.steps))
        .links([_runbook(f"Runbook of {name}", name) for name in picture.alerts])
    )
    if picture.decimals is not None:
        panel = panel.decimals(picture.decimals)
    if picture.texts:
        panel = panel.mappings(_mappings(picture.texts))
    if picture.share:
        panel = panel.min(0).max(1)
    for place, query in enumerate(picture.queries):
        target = prometheus.Dataquery().expr(query.expr).ref_id(_ref(place)).datasource(SOURCE)
        if picture.kind in ("lines", "states"):
            target = target.range().legend_format(query.legend)
        elif picture.kind == "table":
            target = target.instant().format(PromQueryFormat.TABLE)
        else:
            target = target.instant().legend_format(query.legend)
        panel = panel.with_target(target)
    return panel


def _of_kind(picture: Picture) -> Panel:
    match picture.kind:
        case "stat":
            text = common_model.BigValueTextMode
            return (
                stat.Panel()
                .reduce_options(_LAST)
                .graph_mode(common_model.BigValueGraphMode.NONE)
                .color_mode(common_model.BigValueColorMode.VALUE)
                .text_mode(text.NAME if picture.named else text.AUTO)
            )
        case "bars":
            return (
                bargauge.Panel()
                .reduce_options(_LAST)
                .orientation(common_model.VizOrientation.HORIZONTAL)
                .display_mode(common_model.BarGaugeDisplayMode.BASIC)
            )
        case "states":
            return statetimeline.Panel().legend(_BELOW).merge_values(True)
        case "table":
            return _table(picture)
    lines = timeseries.Panel().legend(_BELOW).line_width(1).fill_opacity(30 if picture.stacked else 0)
    lines = lines.tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
    if picture.stacked:
        lines = lines.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL).group("A"))
    if len(picture.steps) > 1:
        style = common.GraphThresholdsStyleConfig().mode(common_model.GraphTresholdsStyleMode.DASHED)
        lines = lines.thresholds_style(style)
    return lines


def _table(picture: Picture) -> tables.Panel:
    table = tables.Panel().show_header(True)
    keep = picture.keep or {}
    headings = {f"Value #{_ref(place)}": query.legend for place, query in enumerate(picture.queries)}
    if picture.join:
        join = {"byField": picture.join, "mode": "outer"}
        table = table.with_transformation(model.DataTransformerConfig("joinByField", options=join))
        keep = {picture.join: picture.join.capitalize(), **keep}
    elif len(picture.queries) == 1:
        headings = {"Value": picture.queries[0].legend}
    shown = {name: heading for name, heading in {**keep, **headings}.items() if heading}
    names = {"include": {"names": list(shown)}}
    order = {
        "renameByName": shown,
        "indexByName": {name: place for place, name in enumerate(shown)},
        "excludeByName": {},
    }
    table = table.with_transformation(model.DataTransformerConfig("filterFieldsByName", options=names))
    table = table.with_transformation(model.DataTransformerConfig("organize", options=order))
    for column in picture.columns:
        table = table.override_by_name(column.heading, _look(column))
    return table


def _look(column: Column) -> list[model.DynamicConfigValue]:
    look: list[tuple[str, object]] = [("unit", column.unit or "none")]
    if column.decimals is not None:
        look.append(("decimals", column.decimals))
    if column.steps:
        look.append(("thresholds", _thresholds(column.steps).build()))
    if column.texts:
        look.append(("mappings", _mappings(column.texts)))
    if column.steps or column.texts:
        look.append(("custom.cellOptions", {"type": "color-text"}))
    return [model.DynamicConfigValue(name, value) for name, value in look]


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value, colour) for value, colour in steps or ((None, GREY),)]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _mappings(texts: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    options = {
        value: model.ValueMappingResult(text=text, color=colour, index=place)
        for place, (value, (text, colour)) in enumerate(texts.items())
    }
    return [model.ValueMap(options=options)]


def _ref(place: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]
