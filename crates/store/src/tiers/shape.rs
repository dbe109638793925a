//! What a tier keeps of a table: its columns, and how each comes from a row, from a piece of one, and from several.
//!
//! Everything is merged in one form, that of the tier's own rows: a raw row is a bucket with one reading. So cells are
//! merged from rows and pieces, coarser buckets from finer ones, and what comes too late is merged into what is there.

use std::collections::BTreeSet;

use catalog::{Column, Definition, Extreme, Kind, Scope, SetKind, Type};

use super::figures::FIGURES;

/// Sums stay below what a `double precision` holds, whatever was sent.
const MOST: &str = "1e300";

/// So small that a share of it might not be a number any more; it is not divided.
const LEAST: &str = "1e-280";

/// The longest word of a state of which the share is kept, in characters.
const LONGEST_WORD: u32 = 100;

/// A column of a tier.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) sql_type: &'static str,
    pub(crate) is_key: bool,
    /// Of a raw row `r` that is whole.
    pub(crate) whole: String,
    /// Of a piece `k` of a raw row `r`.
    pub(crate) piece: String,
    /// Of a bucket `r` of the tier below, or of this one.
    pub(crate) bucket: String,
    /// Of several `p` of one key and bucket.
    pub(crate) merged: String,
}

/// The tiers of a table.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The table of raw rows.
    pub(crate) raw: String,
    /// Whether a row names its set; else all of them are of the set that the table is named after.
    pub(crate) names_set: bool,
    /// Whether there is something to divide in a row of a long interval.
    pub(crate) is_divided: bool,
    /// The counters, of which each may be measured for a part of a bucket.
    pub(crate) counters: Vec<String>,
    pub(crate) columns: Vec<Kept>,
    /// Columns that earlier versions kept of the same, and that nobody needs.
    pub(crate) outdated: Vec<String>,
}

impl Shape {
    /// The tiers of a set; none where it has no figures.
    ///
    /// # Errors
    /// When two columns of the tiers would have one name.
    pub(crate) fn of_set(definition: &Definition) -> Result<Option<Self>, String> {
        if definition.kind() != SetKind::Figures {
            return Ok(None);
        }
        let is_counter = |column: &&Column| matches!(column.kind, Kind::Counter | Kind::Count);
        let counters: Vec<String> =
            definition.columns.iter().filter(is_counter).map(|column| column.name.clone()).collect();
        let is_divided = !counters.is_empty();
        let mut columns = vec![
            Kept {
                whole: "coalesce(r.interval_us, 0)".to_owned(),
                piece: "k.upto_us - k.from_us".to_owned(),
                ..Kept::sum("interval_us", "bigint not null")
            },
            Kept {
                whole: "1".to_owned(),
                piece: "k.is_last::integer".to_owned(),
                ..Kept::sum("raw_rows", "integer not null")
            },
        ];
        if definition.scope == Scope::Database {
            columns.push(Kept::key("datid_read", "bigint"));
        }
        columns.extend(definition.columns.iter().flat_map(kept));
        columns.extend(FIGURES.iter().filter(|figure| figure.set == definition.name).map(|figure| {
            let merged = format!("max(p.\"{}\")", figure.name);
            Kept::moment(figure.name, "bigint", format!("({})", figure.of_row), merged)
        }));
        let mut names = BTreeSet::from(["instance_id", "time"]);
        if let Some(twice) = columns.iter().find(|kept| !names.insert(&kept.name)) {
            return Err(format!(
                "column {} stands twice in its tiers: the name follows from another column's",
                twice.name
            ));
        }
        let gauges = definition.columns.iter().filter(|column| column.kind == Kind::Gauge);
        let outdated = gauges
            .flat_map(|gauge| ["", "_min", "_max", "_sum", "_n"].map(|end| format!("{}{end}", gauge.name)))
            .filter(|name| !names.contains(name.as_str()))
            .collect();
        Ok(Some(Self { raw: definition.name.clone(), names_set: false, is_divided, counters, columns, outdated }))
    }

    /// Its columns that raw rows do not have.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &'static str> {
        FIGURES.iter().filter(|figure| figure.set == self.raw).map(|figure| figure.name)
    }

    /// The tiers of `metrics.readings`: what was read of a set, and for how long.
    pub(crate) fn of_readings() -> Self {
        let good = |value: &str| format!("case when r.error is null then {value} else 0 end");
        let at_the_end = |value: &str| format!("case when k.is_last then {value} else 0 end");
        let moment = |name: &str, sql_type: &'static str, value: &str| Kept {
            whole: value.to_owned(),
            piece: at_the_end(value),
            ..Kept::sum(name, sql_type)
        };
        let columns = vec![
            Kept::key("set_name", "text not null"),
            Kept::key("datid", "bigint"),
            moment("readings", "integer not null", "(r.error is null)::integer"),
            moment("failures", "integer not null", "(r.error is not null)::integer"),
            moment("rows", "bigint not null", "r.rows"),
            Kept {
                whole: good("coalesce(r.interval_us, 0)"),
                piece: good("k.upto_us - k.from_us"),
                ..Kept::sum("covered_us", "bigint not null")
            },
            moment("late_cycles", "bigint not null", "r.late_cycles"),
        ];
        Self {
            raw: "readings".to_owned(),
            names_set: true,
            is_divided: true,
            counters: Vec::new(),
            columns,
            outdated: Vec::new(),
        }
    }

    /// The tiers of `metrics.cuts`: what row limits summed into "others".
    pub(crate) fn of_cuts() -> Self {
        let ids = "r.ids".to_owned();
        let columns = vec![
            Kept::key("set_name", "text not null"),
            Kept::key("per", "bigint not null"),
            Kept { whole: "r.rows".to_owned(), ..Kept::sum("rows", "bigint not null") },
            Kept {
                name: "ids".to_owned(),
                sql_type: "bigint[] not null",
                is_key: false,
                whole: ids.clone(),
                piece: ids.clone(),
                bucket: ids,
                merged: "metrics.merge_ids(array_agg(p.ids::text))".to_owned(),
            },
        ];
        Self {
            raw: "cuts".to_owned(),
            names_set: true,
            is_divided: false,
            counters: Vec::new(),
            columns,
            outdated: Vec::new(),
        }
    }

    /// Those of the tables that are of all sets.
    pub(crate) fn fixed() -> [Self; 2] {
        [Self::of_readings(), Self::of_cuts()]
    }
}

impl Kept {
    fn key(name: &str, sql_type: &'static str) -> Self {
        let own = format!("r.\"{name}\"");
        Self {
            name: name.to_owned(),
            sql_type,
            is_key: true,
            whole: own.clone(),
            piece: own.clone(),
            bucket: own,
            merged: format!("p.\"{name}\""),
        }
    }

    /// A value of the moment: of a divided row it is in the last piece.
    fn moment(name: &str, sql_type: &'static str, whole: String, merged: String) -> Self {
        Self {
            name: name.to_owned(),
            sql_type,
            is_key: false,
            piece: format!("case when k.is_last then {whole} end"),
            whole,
            bucket: format!("r.\"{name}\""),
            merged,
        }
    }

    /// A sum of whole numbers that never overflows.
    fn sum(name: &str, sql_type: &'static str) -> Self {
        let (most, cast) =
            if sql_type.starts_with("integer") { ("2147483647", "integer") } else { ("9223372036854775807", "bigint") };
        let own = format!("r.\"{name}\"");
        Self {
            name: name.to_owned(),
            sql_type,
            is_key: false,
            whole: format!("{own}::{cast}"),
            piece: own.clone(),
            bucket: own,
            // Not `least`, which makes something of NULL.
            merged: format!("case when sum(p.\"{name}\") > {most} then {most} else sum(p.\"{name}\") end::{cast}"),
        }
    }
}

/// What is kept of a column of a set.
fn kept(column: &Column) -> Vec<Kept> {
    let name = column.name.as_str();
    let own = format!("r.\"{name}\"");
    let last = || Kept::moment(name, column.column_type.in_store(), own.clone(), last(name, column.column_type));
    let extreme = |end: &str| {
        let extreme = format!("{name}_{end}");
        Kept::moment(&extreme, column.column_type.in_store(), own.clone(), format!("{end}(p.\"{extreme}\")"))
    };
    let earliest = |kept: &str| {
        let earliest = format!("min(p.\"{kept}\") filter (where isfinite(p.\"{kept}\"))");
        Kept::moment(kept, column.column_type.in_store(), own.clone(), earliest)
    };
    match column.kind {
        Kind::Label => vec![Kept::key(name, column.column_type.in_store())],
        Kind::Counter | Kind::Count if column.column_type == Type::Float8 => vec![Kept {
            piece: format!("{} - {}", reached(&own, "k.upto_us"), reached(&own, "k.from_us")),
            ..float_sum(name, own)
        }],
        Kind::Counter | Kind::Count => vec![Kept {
            // Differences of what was reached: so the pieces sum to the whole, to the last unit.
            piece: format!(
                "(div({own}::numeric * k.upto_us, r.interval_us) - div({own}::numeric * k.from_us, r.interval_us))::bigint"
            ),
            ..Kept::sum(name, "bigint")
        }],
        // Of what is itself the least or greatest of much, others say nothing.
        Kind::Gauge if is_number(column.column_type) && column.extreme == Some(Extreme::Least) => vec![extreme("min")],
        Kind::Gauge if is_number(column.column_type) && column.extreme == Some(Extreme::Greatest) => {
            vec![extreme("max")]
        }
        // There is no mean of positions.
        Kind::Gauge if column.column_type == Type::Lsn => vec![last(), extreme("min"), extreme("max")],
        Kind::Gauge if is_number(column.column_type) => {
            let of = |end: &str| format!("{name}_{end}");
            vec![
                last(),
                extreme("min"),
                extreme("max"),
                float_sum(&of("sum"), format!("{own}::double precision")),
                Kept {
                    whole: format!("({own} is not null)::integer"),
                    piece: format!("(k.is_last and {own} is not null)::integer"),
                    merged: format!("least(coalesce(sum(p.\"{name}_n\"), 0), 2147483647)::integer"),
                    ..Kept::sum(&of("n"), "integer")
                },
            ]
        }
        Kind::State => {
            let shares = format!("{name}_shares");
            let word = format!("left({own}::text, {LONGEST_WORD})");
            let whole = format!("case when {own} is not null then jsonb_build_object({word}, 1) end");
            let merged =
                format!("metrics.merge_shares(array_agg(p.\"{shares}\") filter (where p.\"{shares}\" is not null))");
            vec![last(), Kept::moment(&shares, "jsonb", whole, merged)]
        }
        Kind::Since => vec![earliest(name)],
        Kind::Gauge if column.column_type == Type::Timestamptz => {
            let least = earliest(&format!("{name}_min"));
            if column.extreme.is_some() { vec![least] } else { vec![last(), least] }
        }
        Kind::Gauge | Kind::Reset => vec![last()],
        // Not of sets with figures.
        Kind::Event | Kind::Info | Kind::Text => Vec::new(),
    }
}

fn is_number(column_type: Type) -> bool {
    matches!(column_type, Type::Int4 | Type::Int8 | Type::Float8 | Type::Duration | Type::Lsn)
}

fn float_sum(name: &str, whole: String) -> Kept {
    let own = format!("p.\"{name}\"");
    let merged = format!("sum(case when {own} > {MOST} then {MOST} when {own} < -{MOST} then -{MOST} else {own} end)");
    Kept::moment(name, "double precision", whole, merged)
}

/// What a floating-point counter of a row had reached a part of the interval after its begin.
fn reached(own: &str, part_us: &str) -> String {
    format!(
        "case when {part_us} = r.interval_us then {own} when {own} < {LEAST} then 0
              else {own} * ({part_us}::double precision / r.interval_us) end"
    )
}

/// The value of the latest of several; of two at the same moment the greater one.
fn last(name: &str, column_type: Type) -> String {
    let own = format!("p.\"{name}\"");
    let greatest = |moment: &str, value: &str, collation: &str| {
        format!("(max(array[{moment}, {value}]{collation}) filter (where {own} is not null))[2]")
    };
    match column_type {
        Type::Bool => format!("{} = 1", greatest("p.\"$at_us\"", &format!("{own}::integer"), "")),
        Type::Int4 => format!("{}::integer", greatest("p.\"$at_us\"", &own, "")),
        Type::Int8 | Type::Oid | Type::Lsn | Type::Duration => greatest("p.\"$at_us\"", &own, ""),
        Type::Float8 => greatest("p.\"$at_us\"::double precision", &own, ""),
        Type::Text => greatest("p.\"$at_us\"::text", &own, " collate \"C\""),
        Type::Timestamptz => greatest("p.\"$at\"", &own, ""),
    }
}
