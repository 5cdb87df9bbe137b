"""Turns a ``spec.Dashboard`` into the classic dashboard JSON, with Grafana's own foundation SDK."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    # The SDK advises the newer dashboard schema on import; Grafana 11 loads the classic one alone.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        barchart,
        common,
        heatmap,
        prometheus,
        stat,
        statetimeline,
        table,
        text,
        timeseries,
    )
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models import heatmap as heatmap_models
    from grafana_foundation_sdk.models import prometheus as prometheus_models
    from grafana_foundation_sdk.models import text as text_models

from grafana.build import layout, palette, spec

# The version of Grafana 11.0. Later ones migrate it as they load it, and earlier ones are not supported.
SCHEMA_VERSION = 39
# The axis of shares reaches at least so far; Grafana's own choice where all are 0 is 10000 %.
SMALLEST_SHARE_AXIS = 0.01
# Of a heatmap of shares: most bins hold a tenth, and have to differ from each other.
BRIGHTEST_SHARE = 0.5

LINKS = (
    ("Overview", "torchvitals-overview"),
    ("Model", "torchvitals-model"),
    ("Drift", "torchvitals-drift"),
    ("Quality", "torchvitals-quality"),
    ("Versions", "torchvitals-versions"),
    ("Monitoring health", "torchvitals-health"),
)

_PROMETHEUS = common_models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_FORMAT = prometheus_models.PromQueryFormat
_COLOURED = {"type": "color-background", "mode": "basic"}


def to_json(source: spec.Dashboard) -> str:
    """Return the dashboard file: JSON with two spaces of indentation and a final newline."""
    built = json.loads(json.dumps(_dashboard(source).build(), cls=JSONEncoder))
    return json.dumps(_without_placement(built), indent=2, ensure_ascii=False) + "\n"


def importable(text: str) -> str:
    """Return the same dashboard for Grafana's import, which asks for the data source and chooses it."""
    asked = {
        "name": "DS_PROMETHEUS",
        "label": "Prometheus",
        "description": "The Prometheus that scrapes TorchServe.",
        "type": "datasource",
        "pluginId": "prometheus",
        "pluginName": "Prometheus",
    }
    board = json.loads(text)
    variable = next(entry for entry in board["templating"]["list"] if entry["type"] == "datasource")
    variable["current"] = {"selected": True, "text": "${DS_PROMETHEUS}", "value": "${DS_PROMETHEUS}"}
    requires = [{"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}]
    whole = {"__inputs": [asked], "__requires": requires, **board}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _without_placement(built: dict[str, Any]) -> dict[str, Any]:
    """Leave links and annotations in the bar: the SDK's default hides them in a menu of Grafana 12."""
    for entry in (*built["links"], *built["annotations"]["list"]):
        entry.pop("placement", None)
    return built


def _dashboard(source: spec.Dashboard) -> builders.Dashboard:
    board = (
        builders.Dashboard(source.title)
        .uid(source.uid)
        .description(source.description)
        .tags(["torchvitals"])
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time(source.time_from, "now")
        .timezone("browser")
        .refresh("30s")
        .with_variable(_datasource_variable())
    )
    board._internal.schema_version = SCHEMA_VERSION
    for annotation in source.annotations:
        board.annotation(_annotation(annotation))
    for variable in source.variables:
        board.with_variable(_variable(variable))
    for title, uid in LINKS:
        if uid != source.uid:
            board.link(_dashboard_link(title, uid))

    y = 0
    number = 1
    board.with_panel(_panel(source.question, number, 0, y))
    y += source.question.height
    for row in source.rows:
        number += 1
        y += 1
        header = builders.Row(row.title).id(number)
        header.grid_pos(models.GridPos(h=1, w=spec.GRID_WIDTH, x=0, y=y - 1))
        top = y
        inside = header.with_panel if row.collapsed else board.with_panel
        if not row.collapsed:
            board.with_row(header)
        x = line_height = 0
        for panel in row.panels:
            if x + panel.width > spec.GRID_WIDTH:
                y += line_height
                x = line_height = 0
            number += 1
            inside(_panel(panel, number, x, y))
            x += panel.width
            line_height = max(line_height, panel.height)
        y += line_height
        if row.collapsed:
            board.with_row(header.collapsed(True))
            y = top
    return board


def _annotation(source: spec.Annotation) -> builders.AnnotationQuery:
    # Both places: Grafana moved the expression from the annotation into its target.
    return (
        builders.AnnotationQuery()
        .name(source.name)
        .datasource(_PROMETHEUS)
        .enable(source.enabled)
        .icon_color(source.colour)
        .expr(source.expr)
        .target(prometheus.Dataquery().expr(source.expr).ref_id("Anno").range())
        .title_format(source.title)
        .text_format(source.text)
        .tag_keys(source.tags)
    )


def _datasource_variable() -> builders.DatasourceVariable:
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes TorchServe.")
        .type("prometheus")
        .current(models.VariableOption(text="default", value="default", selected=False))
    )


def _variable(source: spec.Variable) -> builders.QueryVariable:
    variable = (
        builders.QueryVariable(source.name)
        .label(source.label)
        .description(source.description)
        .datasource(_PROMETHEUS)
        .query({"qryType": 1, "query": source.query, "refId": "PrometheusVariableQueryEditor-VariableQuery"})
        .definition(source.query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(_ORDERS[source.order])
        .multi(source.multi)
        .include_all(source.multi)
    )
    if source.hidden:
        variable.hide(models.VariableHide.HIDE_VARIABLE)
    if source.multi:
        variable.all_value(source.all_value).current(
            models.VariableOption(text=["All"], value=["$__all"], selected=True)
        )
    return variable


def _dashboard_link(title: str, uid: str) -> builders.DashboardLink:
    return (
        builders.DashboardLink(title)
        .type(models.DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .icon("dashboard")
        .include_vars(True)
        .keep_time(True)
    )


def _panel(source: spec.Panel, number: int, x: int, y: int) -> Any:
    panel = _KINDS[type(source)](source)
    panel.id(number).title(source.title).description(source.description).datasource(_PROMETHEUS)
    panel.grid_pos(models.GridPos(h=source.height, w=source.width, x=x, y=y))
    if not isinstance(source, spec.Text):
        panel.unit(source.unit)
    if source.decimals is not None:
        panel.decimals(source.decimals)
    if source.minimum is not None:
        panel.min(source.minimum)
    if source.maximum is not None:
        panel.max(source.maximum)
    if source.no_value:
        panel.no_value(source.no_value)
    return panel


def _text(source: spec.Text) -> text.Panel:
    return text.Panel().mode(text_models.TextMode.MARKDOWN).content(source.content)


def _stat(source: spec.Stat) -> stat.Panel:
    mode = common_models.BigValueTextMode.NAME if source.show_name else common_models.BigValueTextMode.VALUE
    panel = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.VALUE)
        .text_mode(mode)
        .orientation(common_models.VizOrientation.AUTO)
        .color_scheme(_by_threshold())
        .thresholds(_steps(source.steps or (spec.Step(None, palette.NEUTRAL),)))
        .mappings([_nothing(source.no_value or "no data")])
    )
    for target in source.targets:
        panel.with_target(_query(target, _FORMAT.TIME_SERIES).instant())
    return panel


def _graph(source: spec.Graph) -> timeseries.Panel:
    style = common_models.GraphDrawStyle.BARS if source.bars else common_models.GraphDrawStyle.LINE
    stacking = common_models.StackingMode.NORMAL if source.stacked else common_models.StackingMode.NONE
    panel = (
        timeseries.Panel()
        .draw_style(style)
        .line_width(2)
        .fill_opacity(60 if source.bars or source.stacked else 0)
        .show_points(common_models.VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(stacking).group("A"))
        .color_scheme(
            _each_its_own() if any(target.many for target in source.targets) else _fixed(palette.GREY)
        )
        .legend(_legend())
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if source.scale == "linear":
        panel.axis_soft_min(0)
    else:
        panel.scale_distribution(_SCALES[source.scale]())
    if source.unit == "percentunit" and source.maximum is None:
        panel.axis_soft_max(SMALLEST_SHARE_AXIS)
    colours = iter(palette.SERIES)
    taken: dict[str, str] = {}
    for target in source.targets:
        panel.with_target(_query(target, _FORMAT.TIME_SERIES).range())
        if target.many:
            continue
        if target.names:
            for name in target.names:
                panel.override_by_name(name, _line(next(colours)))
        elif target.ref == spec.THRESHOLD_REF:
            panel.override_by_query(target.ref, _threshold_line())
        elif target.edge_of:
            panel.override_by_query(target.ref, _edge(target, taken[target.edge_of]))
        else:
            taken[target.ref] = next(colours)
            panel.override_by_query(target.ref, _line(taken[target.ref]))
    return panel


def _heatmap(source: spec.Heatmap) -> heatmap.Panel:
    colours = (
        heatmap.HeatmapColorOptions()
        .mode(heatmap_models.HeatmapColorMode.SCHEME)
        .scheme(palette.HEATMAP_SCHEME)
        .scale(heatmap_models.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    if source.shares:
        # The same in panels side by side, which can be compared then.
        colours = colours.min(0).max(BRIGHTEST_SHARE)
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(colours)
        .y_axis(
            heatmap.YAxisConfig()
            .axis_placement(common_models.AxisPlacement.LEFT)
            .unit("string" if source.shares else source.unit)
            .reverse(False)
        )
        .cell_values(heatmap.CellValues().unit(source.unit if source.shares else "short"))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common_models.HeatmapCellLayout.AUTO))
        # An empty bucket is left blank, so that a single slow call stands out.
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_gap(1)
        .show_legend()
        .tooltip(heatmap.HeatmapTooltip().mode(common_models.TooltipDisplayMode.SINGLE).y_histogram(False))
    )
    for target in source.targets:
        # As a heatmap, Grafana takes each bucket less the one below it.
        result = _FORMAT.TIME_SERIES if source.shares else _FORMAT.HEATMAP
        panel.with_target(_query(target, result).range())
    return panel


def _timeline(source: spec.Timeline) -> statetimeline.Panel:
    panel = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(common_models.VisibilityMode.NEVER)
        .row_height(0.8)
        .per_page(25)
        .fill_opacity(80)
        .line_width(0)
        .mappings(_mappings(source.texts))
        # By threshold, Grafana merges values by their step and never looks at the mappings.
        .color_scheme(_fixed(palette.GREY))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.SINGLE))
    )
    for target in source.targets:
        panel.with_target(_query(target, _FORMAT.TIME_SERIES).range())
    return panel


def _table(source: spec.Table) -> table.Panel:
    panel = (
        table.Panel()
        .show_header(True)
        .cell_height(common_models.TableCellHeight.SM)
        .color_scheme(_by_threshold())
        .thresholds(_steps((spec.Step(None, palette.NEUTRAL),)))
        .align(common_models.FieldTextAlignment.AUTO)
        .min_width(layout.LEAST_PIXELS)
    )
    if source.sort_by:
        panel.sort_by(
            [common.TableSortByFieldState().display_name(name).desc(True) for name in source.sort_by]
        )
    _add_columns(panel, source.targets, source.columns)
    widths = layout.column_widths(source)
    for column in source.columns:
        if not column.hidden:
            panel.override_by_name(column.title, _column(column, widths.get(column.title)))
    return panel


def _matrix(source: spec.Matrix) -> table.Panel:
    panel = (
        table.Panel()
        .show_header(True)
        .cell_height(common_models.TableCellHeight.SM)
        .color_scheme(builders.FieldColor().mode(palette.MATRIX_SCHEME))
        .override_by_field_type("number", [_property("custom.cellOptions", _COLOURED)])
        .align(common_models.FieldTextAlignment.AUTO)
        .min_width(layout.LEAST_PIXELS)
    )
    [target] = source.targets
    options = {"rowField": source.rows, "columnField": source.columns, "valueField": "Value"}
    return panel.with_target(_query(target, _FORMAT.TABLE).instant()).with_transformation(
        models.DataTransformerConfig(id_val="groupingToMatrix", options=options)
    )


def _bars(source: spec.Bars) -> barchart.Panel:
    panel = (
        barchart.Panel()
        .x_field(source.category)
        .orientation(common_models.VizOrientation.VERTICAL)
        .stacking(common_models.StackingMode.NONE)
        .show_value(common_models.VisibilityMode.NEVER)
        .group_width(0.7)
        .bar_width(0.95)
        .fill_opacity(80)
        .line_width(0)
        .x_tick_label_rotation(-45)
        # The SDK writes 0 where none is given, and Grafana then shortens every label to nothing.
        .x_tick_label_max_length(24)
        .color_scheme(_fixed(palette.GREY))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    )
    _add_columns(panel, source.targets, source.columns, order=source.order)
    colours = iter(palette.SERIES)
    for column in source.columns:
        if not column.hidden and column.title != source.category:
            panel.override_by_name(column.title, _line(next(colours)))
    return panel


def _add_columns(
    panel: Any, targets: tuple[spec.Target, ...], columns: tuple[spec.Column, ...], *, order: str = ""
) -> None:
    """Join the targets on their common labels, sort by the field ``order``, then name and order the columns."""
    for target in targets:
        panel.with_target(_query(target, _FORMAT.TABLE).instant())
    if len(targets) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    if order:
        sort = [{"field": order, "desc": False}]
        panel.with_transformation(
            models.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": sort})
        )
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True} | {column.field: True for column in columns if column.hidden},
                "includeByName": {},
                "indexByName": {column.field: index for index, column in enumerate(columns)},
                "renameByName": {column.field: column.title for column in columns if not column.hidden},
            },
        )
    )


def _column(column: spec.Column, width: int | None) -> list[models.DynamicConfigValue]:
    properties = [_property("unit", column.unit)]
    if column.decimals is not None:
        properties.append(_property("decimals", column.decimals))
    if width is not None:
        properties.append(_property("custom.width", width))
    if column.texts:
        properties.append(_property("mappings", _mappings(column.texts)))
    if column.steps:
        properties.append(_property("thresholds", _steps(column.steps).build()))
    if column.texts or column.steps:
        properties.append(_property("custom.cellOptions", _COLOURED))
    if column.link:
        properties.append(_property("links", [{"title": "Open", "url": column.link, "targetBlank": False}]))
    return properties


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.LIST)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )


def _query(target: spec.Target, result: prometheus_models.PromQueryFormat) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(_PROMETHEUS)
        .editor_mode(prometheus_models.QueryEditorMode.CODE)
        .expr(target.expr)
        .format(result)
        .legend_format(target.legend)
        .ref_id(target.ref)
    )


def _mappings(texts: tuple[tuple[str, str, str], ...]) -> list[models.ValueMapping]:
    options = {
        value: models.ValueMappingResult(text=shown, color=colour, index=index)
        for index, (value, shown, colour) in enumerate(texts)
    }
    return [models.ValueMap(options=options)]


def _nothing(shown: str) -> models.ValueMapping:
    """Say in grey that there is no value; else it has the colour of the lowest step, which says that all is well."""
    return models.SpecialValueMap(
        options=models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(text=shown, color=palette.GREY, index=0),
        )
    )


def _steps(steps: tuple[spec.Step, ...]) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=step.value, color=step.colour) for step in steps])
    )


def _by_threshold() -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)


def _each_its_own() -> builders.FieldColor:
    """Colour lines in the order of the series: Grafana has no override for the n-th series of a query."""
    return builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC)


def _fixed(colour: str) -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(colour)


def _line(colour: str) -> list[models.DynamicConfigValue]:
    return [_property("color", {"mode": "fixed", "fixedColor": colour})]


def _edge(target: spec.Target, colour: str) -> list[models.DynamicConfigValue]:
    """Draw an end of a band: no line, and nothing in the legend; the tooltip has its value."""
    properties = [
        *_line(colour),
        _property("custom.lineWidth", 0),
        _property("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}),
    ]
    if target.filled_to:
        properties += [_property("custom.fillBelowTo", target.filled_to), _property("custom.fillOpacity", 20)]
    return properties


def _threshold_line() -> list[models.DynamicConfigValue]:
    return [
        _property("color", {"mode": "fixed", "fixedColor": palette.ALARM}),
        _property("custom.drawStyle", "line"),
        _property("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
        _property("custom.fillOpacity", 0),
        _property("custom.stacking", {"mode": "none", "group": "A"}),
    ]


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)


_SCALES: dict[spec.Scale, Callable[[], common.ScaleDistributionConfig]] = {
    "log": lambda: common.ScaleDistributionConfig().type(common_models.ScaleDistribution.LOG).log(10),
    # Linear below 1, so that 0 has a place.
    "symlog": lambda: (
        common.ScaleDistributionConfig()
        .type(common_models.ScaleDistribution.SYMLOG)
        .log(10)
        .linear_threshold(1)
    ),
}

_ORDERS: dict[spec.Order, models.VariableSort] = {
    "text": models.VariableSort.ALPHABETICAL_ASC,
    "number": models.VariableSort.NUMERICAL_ASC,
    "version": models.VariableSort.NATURAL_ASC,
    "newest": models.VariableSort.NATURAL_DESC,
}

_KINDS: dict[type[spec.Panel], Callable[[Any], Any]] = {
    spec.Text: _text,
    spec.Stat: _stat,
    spec.Graph: _graph,
    spec.Heatmap: _heatmap,
    spec.Timeline: _timeline,
    spec.Table: _table,
    spec.Matrix: _matrix,
    spec.Bars: _bars,
}
