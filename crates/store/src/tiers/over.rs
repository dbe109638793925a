//! Functions that sum over long ranges in SQL, for dashboards and people: `metrics.<set>_over`, `metrics.readings_over`.
//!
//! They follow the rule of every read: the coarsest tier answers whose buckets fit the step, what it has no whole bucket
//! for comes from finer ones, at last from the raw rows. `metrics.parts` says which, for all instances at once; it is
//! the same as what readers decide one instance at a time.
//!
//! Functions of sets are one plain `select`, so that PostgreSQL puts it in the place of the call and conditions on
//! instances and labels reach the tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use catalog::{Definition, Scope};

use super::shape::{Kept, Shape};
use super::statements::{self, is_long};
use super::tier::{self, MICROSECOND, REACH_US, Tier};
use crate::derived::Derived;

/// What the function of a set is named after the set.
const SUFFIX: &str = "_over";

const ARGUMENTS: &str = "\"from\" timestamptz, \"to\" timestamptz, step interval default null";
const TYPES: &str = "timestamptz, timestamptz, interval";
/// The step of the statements that readers run: a parameter in microseconds, as there is no type for an interval.
const STEP: &str = "($3::bigint * interval '1 microsecond')";

const EPOCH: &str = "timestamptz '1970-01-01 00:00:00+00'";

/// Where a statement has its arguments.
struct Arguments {
    /// The set; none for all that the table has.
    set: Option<String>,
    from: &'static str,
    to: &'static str,
    step: &'static str,
}

/// What the functions of all sets stand on.
pub(super) fn shared() -> Vec<Derived> {
    vec![parts(), readings()]
}

/// The function of a set; none where two of its columns would have one name.
pub(super) fn of_set(definition: &Definition, shape: &Shape) -> Option<Derived> {
    let set = &definition.name;
    let columns = columns(shape);
    let mut names = BTreeSet::from(["time", "instance_id", "covered_seconds"]);
    if !columns.iter().all(|column| names.insert(&column.name)) {
        tracing::warn!(set, "names of its columns are in the way of metrics.{set}{SUFFIX}: it has no such function");
        return None;
    }
    let keys: Vec<String> = shape.columns.iter().filter(|kept| kept.is_key).map(|kept| kept.name.clone()).collect();
    let keys: String = keys.iter().fold(String::new(), |mut list, key| {
        let _ = write!(list, ", p.\"{key}\"");
        list
    });
    let merged = columns.iter().fold(String::new(), |mut list, column| {
        let _ = write!(list, ", ({})::{} as \"{}\"", column.merged, column.sql_type, column.name);
        list
    });
    let results = columns.iter().fold(String::new(), |mut list, column| {
        let _ = write!(list, ", \"{}\" {}", column.name, column.sql_type);
        list
    });
    let listed = columns.iter().fold(String::new(), |mut list, column| {
        let _ = write!(list, ", g.\"{}\"", column.name);
        list
    });
    let read_there = if definition.scope == Scope::Database { " and w.datid = g.datid_read" } else { "" };
    let covered = if definition.scope == Scope::Database {
        format!("metrics.readings{SUFFIX}('{set}', $1, $2, $3)")
    } else {
        format!(
            "(select c.time, c.instance_id, max(c.covered_seconds) as covered_seconds
              from metrics.readings{SUFFIX}('{set}', $1, $2, $3) c group by 1, 2)"
        )
    };
    let body = format!(
        "select g.time, g.instance_id{listed}, w.covered_seconds
         from (
             with s as materialized (select * from metrics.parts('{set}', '{set}', $1, $2, $3))
             select p.step_end as time, p.instance_id{merged}
             from ({input}) p
             group by p.step_end, p.instance_id{keys}) g
         left join {covered} w on w.instance_id = g.instance_id and w.time = g.time{read_there}",
        input = stepped(shape, &Arguments { set: Some(format!("'{set}'")), from: "$1", to: "$2", step: "$3" }),
    );
    let name = format!("{set}{SUFFIX}");
    let returns = format!("\"time\" timestamptz, instance_id integer{results}, covered_seconds double precision");
    let help = format!(
        "What metrics.{set} says from one moment to another, by instance, labels and step: counters are sums, gauges the \
         last one with minimum, mean and maximum. time is the end of the step, or of the range where that ends before; a \
         counter by covered_seconds is its rate."
    );
    Some(function(name, ARGUMENTS, TYPES, &returns, 1000, &body, &help))
}

/// What was read of a set, and for how long.
fn readings() -> Derived {
    let arguments = Arguments { set: Some("$1".to_owned()), from: "$2", to: "$3", step: "$4" };
    // A reading that came in several batches is one.
    let body = format!(
        "with s as materialized (select * from metrics.parts('readings', $1, $2, $3, $4))
         select o.step_end, o.instance_id, o.datid, sum(o.readings)::bigint, sum(o.failures)::bigint, sum(o.rows)::bigint,
             sum(o.covered_us)::float8 / 1000000
         from (
             select p.step_end, p.instance_id, p.datid, p.\"$at\", sum(p.readings) as readings, sum(p.failures) as failures,
                 sum(p.rows) as rows, max(p.covered_us) as covered_us
             from ({}) p group by 1, 2, 3, 4) o
         group by 1, 2, 3",
        stepped(&Shape::of_readings(), &arguments)
    );
    let returns = "\"time\" timestamptz, instance_id integer, datid bigint, readings bigint, failures bigint, rows bigint, \
                   covered_seconds double precision";
    let help = "What was read of a set from one moment to another, by instance, database and step: how often, how often in \
                vain, how many rows, and for how many seconds its counters were measured.";
    let taken = format!("set_name text, {ARGUMENTS}");
    function(format!("readings{SUFFIX}"), &taken, &format!("text, {TYPES}"), returns, 1000, &body, help)
}

fn function(name: String, arguments: &str, types: &str, returns: &str, rows: u32, body: &str, help: &str) -> Derived {
    let sql = format!(
        "drop function if exists metrics.\"{name}\"({types});
         create function metrics.\"{name}\"({arguments}) returns table ({returns})
         language sql stable parallel safe rows {rows} as $function$ {body} $function$;
         comment on function metrics.\"{name}\"({types}) is '{help}';"
    );
    Derived { name, sql }
}

struct Column {
    name: String,
    sql_type: String,
    merged: String,
}

/// What a row of the function has: keys, and of a gauge its mean in the place of sum and number.
fn columns(shape: &Shape) -> Vec<Column> {
    let find = |name: String| shape.columns.iter().find(|kept| kept.name == name);
    let column = |kept: &Kept| Column {
        name: kept.name.clone(),
        sql_type: kept.sql_type.trim_end_matches(" not null").to_owned(),
        merged: kept.merged.clone(),
    };
    let mut columns = Vec::new();
    for kept in &shape.columns {
        let base = |end: &str| kept.name.strip_suffix(end).filter(|base| find((*base).to_owned()).is_some());
        if let Some((base, number)) = base("_sum").and_then(|base| Some((base, find(format!("{base}_n"))?))) {
            columns.push(Column {
                name: format!("{base}_mean"),
                sql_type: "double precision".to_owned(),
                merged: format!("({}) / nullif({}, 0)", kept.merged, number.merged),
            });
        } else if base("_n").is_some_and(|base| find(format!("{base}_sum")).is_some())
            || ["interval_us", "raw_rows"].contains(&kept.name.as_str())
        {
            // Told by the mean, and by what was read.
        } else {
            columns.push(column(kept));
        }
    }
    columns
}

/// Rows with the end of the step that each falls into; of the last one, as far as the range goes.
fn stepped(shape: &Shape, arguments: &Arguments) -> String {
    let Arguments { to, step, .. } = arguments;
    format!(
        "select i.*, (date_part('epoch', i.\"$at\") * 1000000)::bigint as \"$at_us\",
             least({to}, date_bin({step}, i.\"$at\" - {MICROSECOND}, {EPOCH}) + {step}) as step_end
         from ({}) i",
        union(shape, arguments)
    )
}

/// The rows of all parts `s`, in one form, each with its moment.
fn union(shape: &Shape, Arguments { set, from, to, .. }: &Arguments) -> String {
    let list = |of: fn(&Kept) -> &String| {
        shape.columns.iter().fold(String::new(), |mut list, kept| {
            let _ = write!(list, ", {} as \"{}\"", of(kept), kept.name);
            list
        })
    };
    let raw = &shape.raw;
    let named_in = |row: &str| match set {
        Some(set) => format!(" and {row}.set_name = {set}"),
        None => String::new(),
    };
    let named = if shape.names_set { named_in("r") } else { String::new() };
    let widest = Tier::ALL.into_iter().max_by_key(|tier| tier.width_us()).map_or_else(String::new, Tier::interval);
    // Said once more for the planner, which leaves out partitions by it.
    let within = format!("r.time > {from} - {widest} and r.time <= {to} + {widest}");
    let of_part = "r.instance_id = s.instance_id and r.time > s.start and r.time <= s.until";
    let mut selects = Vec::new();
    for tier in Tier::ALL {
        selects.push(format!(
            "select r.instance_id, r.time as \"$at\"{} from s join metrics.\"{}\" r on {of_part}
             where s.tier = {} and {within}{named}",
            list(|kept| &kept.bucket),
            tier.table(raw),
            tier.number(),
        ));
    }
    let short = if shape.is_divided { format!(" and not {}", is_long(shape)) } else { String::new() };
    selects.push(format!(
        "select r.instance_id, r.time{} from s join metrics.\"{raw}\" r on {of_part}
         where s.tier = 0 and {within}{short}{named}",
        list(|kept| &kept.whole),
    ));
    if shape.is_divided {
        selects.push(format!(
            "select r.instance_id, m.at{} from (
                 select distinct d.instance_id, d.time, s.start, s.until
                 from s join metrics.readings d
                     on d.instance_id = s.instance_id{of_set} and d.time > s.start and d.time <= s.until + {reach}
                 where s.tier = 0 and d.interval_us > 300000000 and d.time > {from} - {widest} and d.time <= {to} + {reach}
                     and d.time - least(d.interval_us, {REACH_US}) * {MICROSECOND} < s.until
             ) l
             join metrics.\"{raw}\" r on r.instance_id = l.instance_id and r.time = l.time
             cross join lateral generate_series({first}, {last}, {width}) as n (bucket)
             cross join lateral ({piece}) k
             cross join lateral (select case when k.is_last then r.time else n.bucket end as at) m
             where {is_long} and r.time > {from} - {widest} and r.time <= {to} + {reach}
                 and m.at > l.start and m.at <= l.until{named}",
            list(|kept| &kept.piece),
            of_set = named_in("d"),
            reach = tier::reach(),
            first = tier::first_cell(),
            last = tier::last_cell(),
            width = Tier::Minutes.interval(),
            piece = statements::piece(),
            is_long = is_long(shape),
        ));
    }
    selects.join(" union all ")
}

/// Rows of a set by step, instance and some of its labels, of all instances: `$1` and `$2` are the range, `$3` the step in
/// microseconds, which may be null. Selects `step_end`, `instance_id`, and these columns in their order; `condition` is one on the row `p`,
/// which has the columns in `also` too.
pub(super) fn on_steps(shape: &Shape, set: &str, columns: &[&str], also: &[&str], condition: &str) -> String {
    // Of a gauge that is an extreme itself, buckets have that alone.
    let find = |name: &str| {
        let ends = ["", "_min", "_max"].map(|end| format!("{name}{end}"));
        ends.iter().find_map(|name| shape.columns.iter().find(|kept| kept.name == *name))
    };
    let chosen: Vec<(&str, &Kept)> = columns.iter().filter_map(|name| Some((*name, find(name)?))).collect();
    let mut asked = shape.clone();
    asked
        .columns
        .retain(|kept| chosen.iter().any(|(_, chosen)| chosen.name == kept.name) || also.contains(&kept.name.as_str()));
    let mut keys = String::new();
    let mut list = String::new();
    for (name, kept) in chosen {
        if kept.is_key {
            let _ = write!(keys, ", p.\"{}\"", kept.name);
        }
        let _ = write!(list, ", {} as \"{name}\"", kept.merged);
    }
    format!(
        "with s as materialized (select * from metrics.parts('{set}', '{set}', $1, $2, {STEP}))
         select p.step_end, p.instance_id{list}
         from ({}) p where {condition}
         group by p.step_end, p.instance_id{keys}",
        stepped(&asked, &Arguments { set: Some(format!("'{set}'")), from: "$1", to: "$2", step: STEP }),
    )
}

/// How many rows readings brought of each set after retention took what was before; `$1` and `$2` are the range, `$4` are
/// the instances, null for all.
pub(super) fn rows_by_set() -> String {
    let mut shape = Shape::of_readings();
    shape.columns.retain(|kept| ["set_name", "rows"].contains(&kept.name.as_str()));
    format!(
        "with s as materialized (select * from metrics.parts('readings', null, $1, $2, {STEP}))
         select p.set_name, sum(p.rows)::bigint
         from ({}) p left join metrics.absent g on g.table_name = p.set_name
         where ($4::int4[] is null or p.instance_id = any($4)) and (g.until is null or p.\"$at\" > g.until)
         group by 1",
        stepped(&shape, &Arguments { set: None, from: "$1", to: "$2", step: STEP }),
    )
}

/// From which tier which part of a range comes, of every instance: 0 is the raw rows.
fn parts() -> Derived {
    let floor = |moment: &str, width: &str| format!("date_bin({width}, {moment}, {EPOCH})");
    let ceiling = |moment: &str, width: &str| format!("date_bin({width}, {moment} - {MICROSECOND}, {EPOCH}) + {width}");
    let whole = |tier: Tier| {
        let (first, last) = (ceiling("_start", &tier.interval()), floor("_end", &tier.interval()));
        format!(
            "case when (_step_us is null or _step_us % {width} = 0) and {first} < {last}
                 then tstzmultirange(tstzrange({first}, {last})) else '{{}}'::tstzmultirange end",
            width = tier.width_us()
        )
    };
    let widths = Tier::ALL.iter().fold(String::new(), |mut list, tier| {
        let _ = write!(list, " when {} then {}", tier.number(), tier.interval());
        list
    });
    let widest = Tier::ALL.into_iter().max_by_key(|tier| tier.width_us()).map_or_else(String::new, Tier::interval);
    let suffixes = Tier::ALL.iter().fold("''".to_owned(), |mut list, tier| {
        let _ = write!(list, ", '{}'", tier.suffix());
        list
    });
    // The level that a moment is known in: the first whose rows retention has not taken.
    let known_in = |moment: &str, rounded: &dyn Fn(&str) -> String| {
        let mut cases = format!("when {moment} >= _gone[1] then _bound");
        for (place, tier) in Tier::ALL.iter().enumerate() {
            let _ = write!(cases, " when {moment} >= _gone[{}] then {}", place + 2, rounded(&tier.interval()));
        }
        format!("case {cases} else _bound end")
    };
    let start = known_in("_bound", &|width| floor("_bound", width));
    let end = known_in(&format!("_bound - {MICROSECOND}"), &|width| ceiling("_bound", width));
    let mut layers = String::new();
    let mut answers = Vec::new();
    let mut above = "p".to_owned();
    for (place, tier) in Tier::ALL.into_iter().enumerate().rev() {
        let number = tier.number();
        let (from, upto) = (floor("d.start", &tier.interval()), ceiling("d.last", &tier.interval()));
        // Where what is finer is gone the bucket is all that is known.
        let _ = write!(
            layers,
            ", u{number} as (
                 select d.instance_id, range_agg(tstzrange({from}, {upto})) as due
                 from due d where d.tier <= {number} group by 1),
             w{number} as (
                 select a.instance_id, a.pending, a.pending * ({whole}) as whole, u.due
                 from {above} a left join u{number} u using (instance_id)),
             p{number} as (
                 select w.instance_id, w.whole - coalesce(t.due, '{{}}') as used,
                     w.pending - (w.whole - coalesce(t.due, '{{}}')) as pending
                 from w{number} w
                 left join lateral (
                     select range_agg(c.due) as due from unnest(w.due * w.whole) as c (due)
                     where lower(c.due) >= _gone[{finer}]) t on true)",
            whole = whole(tier),
            finer = place + 1,
        );
        answers.push(format!(
            "select p.instance_id, {number}::smallint, lower(c.used), upper(c.used)
             from p{number} p cross join lateral unnest(p.used) as c (used)"
        ));
        above = format!("p{number}");
    }
    answers.push(format!(
        "select p.instance_id, 0::smallint, lower(c.pending), upper(c.pending)
         from {above} p cross join lateral unnest(p.pending) as c (pending)"
    ));
    let name = "parts".to_owned();
    let types = format!("text, text, {TYPES}");
    let sql = format!(
        "drop function if exists metrics.parts({types});
         create function metrics.parts(raw text, of_set text, \"from\" timestamptz, \"to\" timestamptz, step interval)
         returns table (instance_id integer, tier smallint, start timestamptz, until timestamptz)
         language plpgsql stable parallel safe rows 100 as $function$
         #variable_conflict use_column
         declare
             _step_us bigint := extract(epoch from step) * 1000000;
             _bound timestamptz;
             _start timestamptz;
             _end timestamptz;
             _gone timestamptz[];
         begin
             if step <= interval '0' or extract(year from step) <> 0 or extract(month from step) <> 0 then
                 raise exception using errcode = 'invalid_parameter_value',
                     message = 'a step must be longer than nothing, and of days or less: months differ in length';
             end if;
             if of_set is not null and not exists (select from metrics.definitions d where d.set_name = of_set) then
                 raise exception using errcode = 'undefined_object', message = format('there is no set %s', of_set);
             end if;
             -- What tells of a set's readings tells of them only where its rows are.
             select array_agg(coalesce((
                 select max(g.until) from metrics.absent g where g.table_name in (raw || t.suffix, of_set || t.suffix)
             ), '-infinity') order by t.place) into _gone
             from unnest(array[{suffixes}]) with ordinality as t (suffix, place);
             -- Nothing was measured before 1970, nor will be that late.
             _bound := greatest(\"from\", {EPOCH});
             _start := {start};
             _bound := least(\"to\", timestamptz '9000-01-01 00:00:00+00');
             _end := {end};
             if _start is null or _end is null or _start >= _end then
                 return;
             end if;
             return query
             with due as (
                 select d.instance_id, d.tier, d.last, d.first - case d.tier{widths} end as start
                 from metrics.due d
                 where (of_set is null or of_set = any(d.sets)) and d.last > _start and d.first <= _end + {widest}),
             p as (
                 select i.id as instance_id, tstzmultirange(tstzrange(_start, _end)) as pending from metrics.instances i){layers}
             {answers};
         end $function$;
         comment on function metrics.parts({types}) is
             'From which tier which part of a range comes, after start and up to until, of every instance; 0 is the raw rows.';",
        answers = answers.join(" union all "),
    );
    Derived { name, sql }
}
