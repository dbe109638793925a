//! Entity tags of configurations: two texts never have the same one, also when a store was put back and counts its
//! versions again.

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::http::ApiError;

/// Bytes of the texts' hash that a tag has.
const HASH_BYTES: usize = 8;

/// The tag of a version with these texts.
pub(super) fn tag(version: i64, texts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    let hash: String = hasher.finalize().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{version}-{hash}\"")
}

/// A tag as it is sent.
///
/// # Errors
/// Never: a tag is digits and letters.
pub(super) fn header(tag: &str) -> Result<(HeaderName, HeaderValue), ApiError> {
    Ok((ETAG, HeaderValue::try_from(tag).map_err(ApiError::internal)?))
}

/// Whether the caller has this one already.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    named(headers, &IF_NONE_MATCH, tag) == Some(true)
}

/// Refuses a change that was made from something else than what is there now.
///
/// # Errors
/// 412.
pub(super) fn check(headers: &HeaderMap, now: Option<&str>) -> Result<(), ApiError> {
    let tag = now.unwrap_or_default();
    if named(headers, &IF_MATCH, tag) == Some(false) || (now.is_none() && headers.contains_key(IF_MATCH)) {
        let message = "Somebody else changed it meanwhile: look at it again, then change it.";
        return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", message));
    }
    if now.is_some() && named(headers, &IF_NONE_MATCH, tag) == Some(true) {
        let message = "There is one already: look at it, then change it.";
        return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "exists", message));
    }
    Ok(())
}

/// Whether a header of tags names this one; `None` where there is no such header.
fn named(headers: &HeaderMap, header: &HeaderName, tag: &str) -> Option<bool> {
    let mut values = headers.get_all(header).iter().peekable();
    values.peek()?;
    Some(values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), value.parse().unwrap())])
    }

    #[test]
    fn another_text_is_another_tag() {
        assert_ne!(tag(1, &["a", "b"]), tag(2, &["a", "b"]));
        assert_ne!(tag(1, &["a", "b"]), tag(1, &["ab", ""]));
        assert_eq!(tag(1, &["a", "b"]), tag(1, &["a", "b"]));
    }

    #[test]
    fn a_list_of_tags_or_a_star_names_one() {
        let mine = tag(3, &["x"]);
        assert!(!is_known(&HeaderMap::new(), &mine));
        assert!(is_known(&headers(&IF_NONE_MATCH, &mine), &mine));
        assert!(is_known(&headers(&IF_NONE_MATCH, &format!("\"1\", W/{mine}")), &mine));
        assert!(is_known(&headers(&IF_NONE_MATCH, "*"), &mine));
        assert!(!is_known(&headers(&IF_NONE_MATCH, &tag(2, &["x"])), &mine));
    }

    #[test]
    fn a_change_is_refused_where_it_was_made_from_something_else() {
        let now = tag(3, &["x"]);
        let change = |name: &HeaderName, value: &str, now: Option<&str>| check(&headers(name, value), now).is_ok();
        assert!(check(&HeaderMap::new(), Some(&now)).is_ok());
        assert!(change(&IF_MATCH, &now, Some(&now)));
        assert!(change(&IF_MATCH, "*", Some(&now)));
        assert!(!change(&IF_MATCH, &tag(2, &["x"]), Some(&now)));
        assert!(!change(&IF_MATCH, "*", None));
        assert!(!change(&IF_NONE_MATCH, "*", Some(&now)));
        assert!(change(&IF_NONE_MATCH, "*", None));
    }
}
