//! One row of the endpoint table: method, path, who may call, how it is limited, what it takes and answers, and
//! the handler. Router, OpenAPI document, reference page and authorization tests are made from these rows.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;

/// Largest JSON body that an endpoint takes unless its row says otherwise.
const JSON_BODY_BYTES: usize = 1024 * 1024;

/// Who may call. Checked before the handler runs, so that no handler can forget it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everyone; credentials are not looked at.
    Anyone,
    /// Who holds a refresh token (cookie or body), which the handler checks because it is spent there.
    Holder,
    /// Users of every role.
    Viewer,
    /// Users who may also act: `user` and `admin`.
    User,
    /// Administrators.
    Admin,
    /// Collectors.
    Collector,
    /// Collectors and administrators.
    CollectorOrAdmin,
    /// Who sends `X-Registration-Secret`.
    RegistrationSecret,
}

impl Who {
    /// As written in the reference and in the golden table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Holder => "holder",
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Admin => "admin",
            Self::Collector => "collector",
            Self::CollectorOrAdmin => "collector, admin",
            Self::RegistrationSecret => "registration secret",
        }
    }
}

/// Which bucket a request is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The user's or collector's own; the address's where nobody is known.
    Caller,
    /// Always the address's.
    Address,
}

impl Limit {
    /// As written in the reference.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Address => "address",
        }
    }
}

/// The methods that endpoints use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; also answers HEAD.
    Get,
    /// Makes or does.
    Post,
    /// Replaces.
    Put,
    /// Changes some fields.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The method's name in capitals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// A `{name}` in a path.
#[derive(Clone, Copy, Debug)]
pub struct PathParameter {
    name: &'static str,
    kind: PathKind,
    help: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum PathKind {
    Uuid,
    Int4,
    Text,
}

impl PathParameter {
    /// A UUID.
    #[must_use]
    pub const fn uuid(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: PathKind::Uuid, help }
    }

    /// A small integer.
    #[must_use]
    pub const fn int4(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: PathKind::Int4, help }
    }

    /// Text; also identifiers past 2^53.
    #[must_use]
    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: PathKind::Text, help }
    }

    fn parameter(self) -> Parameter {
        let (kind, format) = match self.kind {
            PathKind::Uuid => (Type::String, Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
            PathKind::Int4 => (Type::Integer, Some(SchemaFormat::KnownFormat(KnownFormat::Int32))),
            PathKind::Text => (Type::String, None),
        };
        let schema: Schema = ObjectBuilder::new().schema_type(kind).format(format).into();
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(self.help))
            .schema(Some(schema))
            .build()
    }
}

/// What a request or an answer carries.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) content_type: &'static str,
    pub(crate) schema: RefOr<Schema>,
    /// The schema itself and all it refers to, by name.
    pub(crate) named: Vec<(String, RefOr<Schema>)>,
}

impl Shape {
    pub(crate) fn json<T: ToSchema>() -> Self {
        let mut named = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut named);
        let schema = RefOr::Ref(utoipa::openapi::Ref::from_schema_name(T::name()));
        Self { content_type: "application/json", schema, named }
    }

    fn text(content_type: &'static str) -> Self {
        let schema: Schema = ObjectBuilder::new().schema_type(Type::String).into();
        Self { content_type, schema: RefOr::T(schema), named: Vec::new() }
    }
}

/// One answer that is a success.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) help: &'static str,
    pub(crate) shape: Option<Shape>,
}

/// One row of the table.
pub struct Endpoint {
    /// The method.
    pub method: Method,
    /// The path below `/api/v1`, with `{name}` for parameters.
    pub path: &'static str,
    /// Who may call.
    pub who: Who,
    /// Which bucket it is taken from.
    pub limit: Limit,
    /// The noun that it belongs to.
    pub tag: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Largest body in bytes.
    pub body_limit: usize,
    path_parameters: Vec<PathParameter>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) requests: Vec<Shape>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) route: MethodRouter<Arc<App>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} ({})", self.method.as_str(), self.path, self.who.as_str())
    }
}

impl Endpoint {
    /// A row that reads.
    pub fn get<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self::new(Method::Get, path, who, handler)
    }

    /// A row that makes or does.
    pub fn post<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self::new(Method::Post, path, who, handler)
    }

    /// A row that replaces.
    pub fn put<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self::new(Method::Put, path, who, handler)
    }

    /// A row that changes some fields.
    pub fn patch<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self::new(Method::Patch, path, who, handler)
    }

    /// A row that removes.
    pub fn delete<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, who: Who, handler: H) -> Self {
        Self::new(Method::Delete, path, who, handler)
    }

    fn new<H: Handler<T, Arc<App>>, T: 'static>(method: Method, path: &'static str, who: Who, handler: H) -> Self {
        let limit = match who {
            Who::Anyone | Who::Holder | Who::RegistrationSecret => Limit::Address,
            Who::Viewer | Who::User | Who::Admin | Who::Collector | Who::CollectorOrAdmin => Limit::Caller,
        };
        Self {
            method,
            path,
            who,
            limit,
            tag: "",
            summary: "",
            body_limit: JSON_BODY_BYTES,
            path_parameters: Vec::new(),
            parameters: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            route: on(method.filter(), handler),
        }
    }

    /// The noun that it belongs to.
    #[must_use]
    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// What it does, in one line.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// Another bucket than the one that follows from who may call.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    /// Another largest body than the usual 1 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Explains one `{name}` of the path.
    #[must_use]
    pub fn path_parameter(mut self, parameter: PathParameter) -> Self {
        self.path_parameters.push(parameter);
        self.parameters.push(parameter.parameter());
        self
    }

    /// The path with something that fits in place of each `{name}`.
    #[must_use]
    pub fn example_path(&self) -> String {
        self.path_parameters.iter().fold(self.path.to_owned(), |path, parameter| {
            let example = match parameter.kind {
                PathKind::Uuid => "00000000-0000-7000-8000-000000000000",
                PathKind::Int4 | PathKind::Text => "1",
            };
            path.replace(&format!("{{{}}}", parameter.name), example)
        })
    }

    /// The parameters of the query string.
    #[must_use]
    pub fn query<P: IntoParams>(mut self) -> Self {
        self.parameters.extend(P::into_params(|| Some(ParameterIn::Query)));
        self
    }

    /// A header that it reads.
    #[must_use]
    pub fn header(mut self, name: &'static str, required: bool, help: &'static str) -> Self {
        let schema: Schema = ObjectBuilder::new().schema_type(Type::String).into();
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(if required { Required::True } else { Required::False })
            .description(Some(help))
            .schema(Some(schema));
        self.parameters.push(parameter.build());
        self
    }

    /// The JSON body that it takes.
    #[must_use]
    pub fn takes<T: ToSchema>(mut self) -> Self {
        self.requests.push(Shape::json::<T>());
        self
    }

    /// A body that it takes, that is not JSON.
    #[must_use]
    pub fn takes_content(mut self, content_type: &'static str) -> Self {
        self.requests.push(Shape::text(content_type));
        self
    }

    /// What it answers with 200.
    #[must_use]
    pub fn answers<T: ToSchema>(self) -> Self {
        self.answers_with::<T>(200, "Done.")
    }

    /// What it answers with another status.
    #[must_use]
    pub fn answers_with<T: ToSchema>(mut self, status: u16, help: &'static str) -> Self {
        self.answers.push(Answer { status, help, shape: Some(Shape::json::<T>()) });
        self
    }

    /// An answer that is not JSON.
    #[must_use]
    pub fn answers_content(mut self, content_type: &'static str) -> Self {
        self.answers.push(Answer { status: 200, help: "Done.", shape: Some(Shape::text(content_type)) });
        self
    }

    /// It answers 204, without a body.
    #[must_use]
    pub fn answers_nothing(self) -> Self {
        self.answers_nothing_when("Done.")
    }

    /// It may answer 204, without a body.
    #[must_use]
    pub fn answers_nothing_when(self, help: &'static str) -> Self {
        self.answers_without_body(204, help)
    }

    /// What it answers with another status and without a body.
    #[must_use]
    pub fn answers_without_body(mut self, status: u16, help: &'static str) -> Self {
        self.answers.push(Answer { status, help, shape: None });
        self
    }
}
