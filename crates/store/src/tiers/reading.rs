//! Reading a stretch of time from where it is: raw rows and buckets in one form, that of the tiers.

use catalog::Definition;
use jiff::Timestamp;

use super::over;
use super::shape::{Kept, Shape};
use super::statements::{self, is_long};
use super::tier::{self, Tier};

/// A stretch of time, after its start and up to its end, and the tier that it is read from; none is the raw rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The tier.
    pub tier: Option<Tier>,
    /// Rows after this moment.
    pub start: Timestamp,
    /// And up to this one.
    pub end: Timestamp,
}

/// What can be read from tiers: a set's rows, or what is kept of the readings of a set.
#[derive(Clone, Debug)]
pub struct Tiered {
    shape: Shape,
    set: String,
}

impl Tiered {
    /// The rows of a set; none where it has no tiers.
    #[must_use]
    pub fn set(definition: &Definition) -> Option<Self> {
        let shape = Shape::of_set(definition).ok().flatten()?;
        Some(Self { set: definition.name.clone(), shape })
    }

    /// The readings of a set.
    #[must_use]
    pub fn readings(set: &str) -> Self {
        Self { shape: Shape::of_readings(), set: set.to_owned() }
    }

    /// What row limits cut of a set.
    #[must_use]
    pub fn cuts(set: &str) -> Self {
        Self { shape: Shape::of_cuts(), set: set.to_owned() }
    }

    /// The set that it is of.
    #[must_use]
    pub fn set_name(&self) -> &str {
        &self.set
    }

    /// The table of raw rows.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.shape.raw
    }

    /// Whether rows of long intervals are divided.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.shape.is_divided
    }

    /// The rows of a range by step, instance and some labels, of all instances, as one query: each part of the range from
    /// where it is. `$1` and `$2` are the range, `$3` is the step in microseconds. It answers `step_end`, `instance_id` and these columns
    /// in their order; `condition` is one on the row `p`, which has the columns in `also` too.
    #[must_use]
    pub fn on_steps(&self, columns: &[&str], also: &[&str], condition: &str) -> String {
        over::on_steps(&self.shape, &self.set, columns, also, condition)
    }

    /// How many rows readings brought of each set whose rows are still there: set and number, as one query. `$1` and `$2`
    /// are the range, `$3` the step, `$4` the instances, null for all.
    #[must_use]
    pub fn rows_by_set() -> String {
        over::rows_by_set()
    }

    /// The rows in some parts as one query. It answers `instance_id`, `time` and the wanted columns; `$1` is the
    /// instance. `long` are the times of readings over a long interval that reach into parts of raw rows; without it
    /// raw rows are whole however long their intervals are. `only` is a further condition on the row `r`.
    #[must_use]
    pub fn rows(&self, parts: &[Part], long: Option<&[Timestamp]>, columns: &[&str], only: &str) -> String {
        let kept: Vec<&Kept> = self.shape.columns.iter().filter(|kept| columns.contains(&kept.name.as_str())).collect();
        debug_assert_eq!(kept.len(), columns.len(), "{} has all of {columns:?}", self.shape.raw);
        let list = |of: fn(&Kept) -> &String| -> String {
            kept.iter().map(|kept| format!(", {} as \"{}\"", of(kept), kept.name)).collect()
        };
        let raw = &self.shape.raw;
        let set = if self.shape.names_set { format!(" and r.set_name = '{}'", self.set) } else { String::new() };
        let within = |moment: &str, part: &Part| {
            format!("{moment} > timestamptz '{}' and {moment} <= timestamptz '{}'", part.start, part.end)
        };
        let long = long.filter(|_| self.shape.is_divided);
        let mut selects = Vec::new();
        for part in parts {
            let of_time = within("r.time", part);
            match part.tier {
                Some(tier) => selects.push(format!(
                    "select r.instance_id, r.time{} from metrics.\"{}\" r where r.instance_id = $1 and {of_time}{set}{only}",
                    list(|kept| &kept.bucket),
                    tier.table(raw)
                )),
                None => {
                    let short = if long.is_some() { format!(" and not {}", is_long(&self.shape)) } else { String::new() };
                    selects.push(format!(
                        "select r.instance_id, r.time{} from metrics.\"{raw}\" r
                         where r.instance_id = $1 and {of_time}{short}{set}{only}",
                        list(|kept| &kept.whole)
                    ));
                    if let Some(long) = long.filter(|long| !long.is_empty()) {
                        let times: Vec<String> = long.iter().map(|time| format!("timestamptz '{time}'")).collect();
                        selects.push(format!(
                            "select r.instance_id, m.at{} from metrics.\"{raw}\" r
                             cross join lateral generate_series({first}, {last}, {width}) as n (bucket)
                             cross join lateral ({piece}) k
                             cross join lateral (select case when k.is_last then r.time else n.bucket end as at) m
                             where r.instance_id = $1 and r.time in ({times}) and {is_long} and {of_piece}{set}{only}",
                            list(|kept| &kept.piece),
                            first = tier::first_cell(),
                            last = tier::last_cell(),
                            width = Tier::Minutes.interval(),
                            piece = statements::piece(),
                            times = times.join(", "),
                            is_long = is_long(&self.shape),
                            of_piece = within("m.at", part),
                        ));
                    }
                }
            }
        }
        if selects.is_empty() {
            // Nothing is asked for: the form alone.
            return format!(
                "select r.instance_id, r.time{} from metrics.\"{raw}\" r where false",
                list(|kept| &kept.whole)
            );
        }
        selects.join("\n union all ")
    }
}
