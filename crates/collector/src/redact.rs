//! Takes secrets out of statement texts and settings before anything is kept.
use std::borrow::Cow;
/// A text without secrets.
pub struct Redacted<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Whether it differs.
    pub changed: bool,
}
/// placeholder until merge
pub fn statement(text: &str) -> Redacted<'_> {
    Redacted { text: Cow::Borrowed(text), changed: false }
}
/// placeholder until merge
pub fn text(value: &str) -> Cow<'_, str> {
    Cow::Borrowed(value)
}
