//! From which figure on something is wrong: limits and formulas, and how lengths and moments are said. Pages and reports
//! judge by the same ones. Pure: what is judged is read elsewhere.

pub mod autovacuum;
pub mod indexes;
pub mod limits;
pub mod span;
pub mod wraparound;
