//! Lists: `?page=1&page_size=20` and the answer around one page of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::error::{Detail, ReadError};

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

impl Default for Paging {
    fn default() -> Self {
        Self { page: first_page(), page_size: usual_size() }
    }
}

impl Paging {
    /// These values, if they are within bounds.
    ///
    /// # Errors
    /// For a page below 1 or a size outside 1 to 100.
    pub fn checked(self) -> Result<Self, ReadError> {
        let mut details = Vec::new();
        if self.page == 0 {
            details.push(Detail::new("page", "expected 1 or more"));
        }
        if !(1..=PAGE_SIZE_MOST).contains(&self.page_size) {
            details.push(Detail::new("page_size", format!("expected 1 to {PAGE_SIZE_MOST}")));
        }
        if details.is_empty() { Ok(self) } else { Err(ReadError::invalid(details)) }
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
#[derive(Clone, Debug, Serialize)]
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

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let row = Ref::from_schema_name(T::name());
        let mut object = ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("data", ArrayBuilder::new().items(RefOr::<Schema>::Ref(row)))
            .required("data");
        let numbers = [
            ("count", "How many rows this page has."),
            ("total", "How many rows there are."),
            ("page", "The page, from 1."),
            ("page_size", "Rows on a page."),
            ("total_pages", "How many pages there are, at least 1."),
        ];
        for (name, help) in numbers {
            let number = ObjectBuilder::new().schema_type(Type::Integer).description(Some(help));
            object = object.property(name, number).required(name);
        }
        object.into()
    }
}

/// Named after its rows: a list of users is a `UserPage`.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Page", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
