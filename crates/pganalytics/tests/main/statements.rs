//! A thousand distinct statements that touch no table: compositions of functions.

/// Functions from a small range of numbers into a small range of numbers.
const FUNCTIONS: [&str; 11] = ["abs", "cbrt", "ceil", "floor", "round", "sign", "sin", "cos", "atan", "tanh", "trunc"];

/// The `n`th statement, up to 1331 of them; each has a queryid of its own.
pub(crate) fn statement(n: usize) -> String {
    let of = |n: usize| FUNCTIONS[n % FUNCTIONS.len()];
    format!("select {}({}({}(0.5::float8)))", of(n), of(n / 11), of(n / 121))
}
