//! `/proc/loadavg` and `/proc/uptime`.

use super::{ReadError, Sources, boot};
use crate::named::Row;

pub(super) fn read(sources: &Sources) -> Result<Vec<Row>, ReadError> {
    let mut row = parse(&sources.read("loadavg")?)?;
    row.push(("uptime", boot::uptime_us(&sources.read("uptime")?).into()));
    Ok(vec![row])
}

/// Three means, `<running>/<tasks>`, and the last process id.
fn parse(text: &str) -> Result<Row, ReadError> {
    let mut words = text.split_ascii_whitespace();
    let mut mean = || words.next()?.parse::<f64>().ok().filter(|mean| mean.is_finite());
    let means = [mean(), mean(), mean()];
    if means[0].is_none() {
        return Err(ReadError::Shape { file: "/proc/loadavg", what: "three means" });
    }
    let tasks = words.next().and_then(|word| word.split_once('/')?.1.parse::<i64>().ok());
    let [one, five, fifteen] = means;
    Ok(vec![("load_1m", one.into()), ("load_5m", five.into()), ("load_15m", fifteen.into()), ("tasks", tasks.into())])
}
