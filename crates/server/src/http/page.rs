//! Lists: `?page=1&page_size=20` and the answer around one page of them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, Detail};

/// Rows on a page when nothing is said.
const PAGE_SIZE: u32 = 20;
/// Rows on a page at most.
const PAGE_SIZE_MOST: u32 = 100;

/// Which page of a list.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// The page, from 1.
    #[serde(default = "first_page")]
    #[param(default = 1, minimum = 1)]
    pub page: u32,
    /// Rows on a page.
    #[serde(default = "usual_size")]
    #[param(default = 20, minimum = 1, maximum = 100)]
    pub page_size: u32,
}

fn first_page() -> u32 {
    1
}

fn usual_size() -> u32 {
    PAGE_SIZE
}

impl Paging {
    /// These values, if they are within bounds.
    ///
    /// # Errors
    /// 400 for a page below 1 or a size outside 1 to 100.
    pub fn checked(self) -> Result<Self, ApiError> {
        let mut details = Vec::new();
        if self.page == 0 {
            details.push(Detail::new("page", "expected 1 or more"));
        }
        if !(1..=PAGE_SIZE_MOST).contains(&self.page_size) {
            details.push(Detail::new("page_size", format!("expected 1 to {PAGE_SIZE_MOST}")));
        }
        if details.is_empty() { Ok(self) } else { Err(ApiError::invalid(details)) }
    }

    /// Rows to skip.
    #[must_use]
    pub fn offset(self) -> i64 {
        i64::from(self.page.saturating_sub(1)) * i64::from(self.page_size)
    }

    /// Rows to take.
    #[must_use]
    pub fn limit(self) -> i64 {
        i64::from(self.page_size)
    }

    /// The answer around one page of `total` rows.
    pub fn page<T>(self, data: Vec<T>, total: i64) -> Page<T> {
        let size = i64::from(self.page_size.max(1));
        let total_pages = ((total + size - 1) / size).max(1);
        Page { count: data.len(), data, total, page: self.page, page_size: self.page_size, total_pages }
    }
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows of this page.
    pub data: Vec<T>,
    /// How many rows this page has.
    pub count: usize,
    /// How many rows there are.
    pub total: i64,
    /// The page, from 1.
    pub page: u32,
    /// Rows on a page.
    pub page_size: u32,
    /// How many pages there are, at least 1.
    pub total_pages: i64,
}
