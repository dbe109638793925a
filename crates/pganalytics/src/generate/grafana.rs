//! Grafana's dashboards, from one short file each: `grafana/dashboards/<name>.toml` has what somebody decides
//! (titles, queries, units, thresholds), the JSON that Grafana is provisioned with has the rest.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The data source that `grafana/provisioning/datasources` defines.
const DATA_SOURCE: &str = "pganalytics";
/// The layout that Grafana's JSON is written in.
const SCHEMA_VERSION: u32 = 39;
/// The width of Grafana's grid.
const COLUMNS: u32 = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    uid: String,
    title: String,
    description: String,
    panels: Vec<Panel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    description: String,
    #[serde(rename = "type")]
    kind: Kind,
    width: u32,
    height: u32,
    unit: Option<String>,
    #[serde(default)]
    thresholds: Vec<(f64, String)>,
    #[serde(default)]
    fields: Vec<Field>,
    sql: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stat,
    Timeseries,
    Table,
    Barchart,
    Piechart,
}

/// How one column of a table is shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    unit: Option<String>,
    width: Option<u32>,
    #[serde(default)]
    thresholds: Vec<(f64, String)>,
}

/// A dashboard as Grafana reads it.
pub(super) fn dashboard(source: &str) -> Result<String> {
    let dashboard: Dashboard = toml::from_str(source).context("understand a dashboard")?;
    let mut panels = Vec::new();
    let (mut x, mut y, mut row_height) = (0, 0, 0);
    for (nth, panel) in dashboard.panels.iter().enumerate() {
        ensure!((1..=COLUMNS).contains(&panel.width), "{}: a width is 1 to {COLUMNS}", panel.title);
        if x + panel.width > COLUMNS {
            (x, y, row_height) = (0, y + row_height, 0);
        }
        panels.push(panel.json(nth + 1, json!({"x": x, "y": y, "w": panel.width, "h": panel.height})));
        (x, row_height) = (x + panel.width, row_height.max(panel.height));
    }
    let instance = json!({
        "name": "instance", "label": "Instance", "type": "query", "datasource": data_source(), "refresh": 1, "sort": 1,
        "query": "select name as __text, id as __value from metrics.instances order by name",
        "definition": "", "includeAll": false, "multi": false,
    });
    let whole = json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["pganalytics", "postgresql"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [instance]},
        "annotations": {"list": [flags()]},
        "panels": panels,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&whole)?))
}

fn data_source() -> Value {
    json!({"type": "grafana-postgresql-datasource", "uid": DATA_SOURCE})
}

/// Resets, restarts and evictions, over every chart.
fn flags() -> Value {
    json!({
        "name": "Flagged intervals", "enable": true, "hide": false, "iconColor": "orange", "datasource": data_source(),
        "target": {
            "format": "table",
            "rawQuery": true,
            "rawSql": "select distinct f.start as time, f.\"end\" as timeend, f.reason as text from metrics.flags f \
                       where f.instance_id = $instance and $__timeFilter(f.start)",
        },
    })
}

/// From each value on the colour; JSON has no −infinity, so Grafana's first step begins at null.
fn thresholds(steps: &[(f64, String)]) -> Value {
    let from = |value: f64| value.is_finite().then_some(value);
    let steps: Vec<Value> = steps.iter().map(|(value, color)| json!({"value": from(*value), "color": color})).collect();
    json!({"mode": "absolute", "steps": steps})
}

impl Panel {
    fn json(&self, id: usize, place: Value) -> Value {
        let mut defaults = json!({"noValue": "no data"});
        if let Some(unit) = &self.unit {
            defaults["unit"] = json!(unit);
        }
        if !self.thresholds.is_empty() {
            defaults["thresholds"] = thresholds(&self.thresholds);
            defaults["color"] = json!({"mode": if self.kind == Kind::Stat { "thresholds" } else { "palette-classic" }});
        }
        if self.kind == Kind::Timeseries {
            // A gap is a gap: nothing was read there.
            let shown = if self.thresholds.is_empty() { "off" } else { "dashed" };
            defaults["custom"] = json!({"drawStyle": "line", "lineInterpolation": "stepBefore", "fillOpacity": 10,
                "spanNulls": false, "showPoints": "auto", "thresholdsStyle": {"mode": shown}});
            defaults["min"] = json!(0);
        }
        let (name, options) = match self.kind {
            Kind::Stat => (
                "stat",
                json!({"colorMode": "value", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}),
            ),
            Kind::Timeseries => (
                "timeseries",
                json!({"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "mean", "max"]},
                       "tooltip": {"mode": "multi", "sort": "desc"}}),
            ),
            Kind::Table => ("table", json!({"showHeader": true, "cellHeight": "sm"})),
            Kind::Barchart => (
                "barchart",
                json!({"orientation": "horizontal", "showValue": "always", "legend": {"showLegend": false}}),
            ),
            Kind::Piechart => (
                "piechart",
                json!({"pieType": "donut", "reduceOptions": {"values": true, "calcs": []},
                       "legend": {"displayMode": "table", "placement": "right", "values": ["value"]}}),
            ),
        };
        let format = if self.kind == Kind::Timeseries { "time_series" } else { "table" };
        json!({
            "id": id,
            "title": self.title,
            "description": self.description,
            "type": name,
            "gridPos": place,
            "datasource": data_source(),
            "targets": [{
                "refId": "A", "datasource": data_source(), "editorMode": "code", "format": format, "rawQuery": true,
                "rawSql": self.sql.trim(),
            }],
            "options": options,
            "fieldConfig": {"defaults": defaults, "overrides": self.fields.iter().map(Field::json).collect::<Vec<_>>()},
        })
    }
}

impl Field {
    fn json(&self) -> Value {
        let mut properties = Vec::new();
        if let Some(unit) = &self.unit {
            properties.push(json!({"id": "unit", "value": unit}));
        }
        if let Some(width) = self.width {
            properties.push(json!({"id": "custom.width", "value": width}));
        }
        if !self.thresholds.is_empty() {
            properties.push(json!({"id": "thresholds", "value": thresholds(&self.thresholds)}));
            properties.push(json!({"id": "color", "value": {"mode": "thresholds"}}));
            properties.push(json!({"id": "custom.cellOptions", "value": {"type": "color-text"}}));
        }
        json!({"matcher": {"id": "byName", "options": self.name}, "properties": properties})
    }
}
