//! The endpoint table: every route of the API, once.

use super::endpoint::{Endpoint, PathParameter, Who};
use super::error::ErrorBody;
use super::{batch, openapi};
use crate::accounts::http as accounts;
use crate::accounts::users::http as users;
use crate::collectors::http as collectors;
use crate::health::http as health;
use crate::life;
use crate::push;
use crate::steering::custom_sets::{definitions, http as custom_sets};
use crate::steering::http as steering;
use crate::steering::templates::http as templates;
use crate::steering::versioned::http as versioned;
use crate::{reading, retention, sizes};

const USER: PathParameter = PathParameter::uuid("id", "The user.");
const COLLECTOR: PathParameter = PathParameter::uuid("id", "The collector.");
const INSTANCE: PathParameter = PathParameter::int4("id", "The instance.");

/// All rows, in the order of the reference.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    let mut rows = Vec::new();
    rows.extend(server_rows());
    rows.extend(account_rows());
    rows.extend(store_rows());
    rows.extend(collector_rows());
    rows.extend(steering_rows());
    rows.extend(custom_set_rows());
    rows.extend(metric_rows());
    rows.extend(instance_rows());
    rows.extend(session_rows());
    rows.extend(query_rows());
    rows.extend(relation_rows());
    rows.extend(life_rows());
    rows
}

fn server_rows() -> [Endpoint; 6] {
    use crate::health::model::{Health, Version};
    let page = "text/html; charset=utf-8";
    [
        Endpoint::get("/health", Who::Anyone, health::health)
            .tag("server")
            .summary("Whether the server and its store work.")
            .answers::<Health>()
            .answers_with::<Health>(503, "Unhealthy."),
        Endpoint::get("/version", Who::Anyone, health::version)
            .tag("server")
            .summary("Version, commit and API version.")
            .answers::<Version>(),
        Endpoint::get("/openapi.json", Who::Anyone, openapi::serve_document)
            .tag("server")
            .summary("This description, as OpenAPI 3.1.")
            .answers_content("application/json"),
        Endpoint::get("/docs", Who::Anyone, openapi::serve_page)
            .tag("server")
            .summary("This description, as a page to read.")
            .answers_content(page),
        Endpoint::get("/docs/style.css", Who::Anyone, openapi::serve_style)
            .tag("server")
            .summary("The style of that page.")
            .answers_content("text/css; charset=utf-8"),
        Endpoint::post("/batch", Who::Viewer, batch::batch)
            .tag("server")
            .summary("Up to 20 reads at once, each answered with its own status; counts as one request.")
            .takes::<batch::Batch>()
            .answers::<batch::BatchAnswers>(),
    ]
}

fn account_rows() -> Vec<Endpoint> {
    use crate::accounts::model::{ChangePassword, Login, RefreshToken, Session, User};
    use crate::accounts::users::model::{ChangeUser, NewUser, ResetPassword};
    use crate::http::{Page, Paging};
    vec![
        Endpoint::post("/auth/login", Who::Anyone, accounts::login)
            .tag("auth")
            .summary("Signs a user in.")
            .takes::<Login>()
            .answers::<Session>()
            .answers_with::<ErrorBody>(401, "Wrong name or password: the same answer after the same time."),
        Endpoint::post("/auth/refresh", Who::Holder, accounts::refresh)
            .tag("auth")
            .summary("Trades a refresh token (body or cookie) for the next; an old one again ends the session.")
            .takes::<RefreshToken>()
            .answers::<Session>()
            .answers_nothing_when("Nobody is signed in: there is a token neither in the body nor in the cookie."),
        Endpoint::post("/auth/logout", Who::Holder, accounts::logout)
            .tag("auth")
            .summary("Ends the session at once: its access tokens are refused from here on.")
            .takes::<RefreshToken>()
            .answers_nothing(),
        Endpoint::get("/auth/me", Who::Viewer, accounts::me)
            .tag("auth")
            .summary("The signed-in user.")
            .answers::<User>(),
        Endpoint::post("/auth/change-password", Who::Viewer, accounts::change_password)
            .tag("auth")
            .summary("Changes one's own password and ends one's other sessions.")
            .takes::<ChangePassword>()
            .answers_nothing(),
        Endpoint::get("/users", Who::Admin, users::list)
            .tag("users")
            .summary("All users, by name.")
            .query::<Paging>()
            .answers::<Page<User>>(),
        Endpoint::post("/users", Who::Admin, users::create)
            .tag("users")
            .summary("Makes a user.")
            .takes::<NewUser>()
            .answers_with::<User>(201, "Made."),
        Endpoint::get("/users/{id}", Who::Admin, users::get)
            .tag("users")
            .summary("One user.")
            .path_parameter(USER)
            .answers::<User>(),
        Endpoint::patch("/users/{id}", Who::Admin, users::change)
            .tag("users")
            .summary("Changes a user's name or role. The last administrator stays one.")
            .path_parameter(USER)
            .takes::<ChangeUser>()
            .answers::<User>(),
        Endpoint::delete("/users/{id}", Who::Admin, users::delete)
            .tag("users")
            .summary("Removes a user; not oneself, and not the last administrator.")
            .path_parameter(USER)
            .answers_nothing(),
        Endpoint::post("/users/{id}/reset-password", Who::Admin, users::reset_password)
            .tag("users")
            .summary("Gives a user a new password and ends all of that user's sessions.")
            .path_parameter(USER)
            .takes::<ResetPassword>()
            .answers_nothing(),
    ]
}

fn store_rows() -> [Endpoint; 4] {
    use reads::jobs::model::Jobs;
    use reads::retention::model::{ChangeQuery, ChangeRetention, Retention};
    use reads::sizes::model::StoreSizes;
    [
        Endpoint::get("/jobs", Who::Admin, reading::jobs)
            .tag("store")
            .summary(
                "The background work of all servers: who does it, how it went, when it is due, and how much is due.",
            )
            .answers::<Jobs>(),
        Endpoint::get("/store", Who::Admin, sizes::get)
            .tag("store")
            .summary(
                "What the store takes by set, tier and instance, how that grows, and when its disk is full at this rate.",
            )
            .answers::<StoreSizes>(),
        Endpoint::get("/retention", Who::Viewer, retention::get)
            .tag("store")
            .summary("How long each set is kept, raw and per tier, and what that takes on the disk.")
            .answers::<Retention>(),
        Endpoint::put("/retention", Who::Admin, retention::put)
            .tag("store")
            .summary("Changes how long sets are kept, and says what goes; with `dry_run` it only says.")
            .query::<ChangeQuery>()
            .takes::<ChangeRetention>()
            .answers::<Retention>()
            .answers_with::<ErrorBody>(
                409,
                "`changed_meanwhile`: somebody else made a change that rules this one out.",
            ),
    ]
}

fn collector_rows() -> Vec<Endpoint> {
    use crate::collectors::model::{Collector, Credentials, Registration, Renewed};
    use crate::http::{Page, Paging};
    vec![
        Endpoint::post("/collectors/register", Who::RegistrationSecret, collectors::register)
            .tag("collectors")
            .summary("Makes a collector, or gives the one whose token is sent along a new token.")
            .header("X-Registration-Secret", true, "The secret that collectors register with.")
            .takes::<Registration>()
            .answers_with::<Credentials>(201, "Registered.")
            .answers_with::<ErrorBody>(422, "`csr` is not supported yet (`not_supported`)."),
        Endpoint::post("/collectors/refresh-token", Who::Collector, collectors::refresh_token)
            .tag("collectors")
            .summary("A new token for the calling collector; the old one works until it expires.")
            .answers::<Renewed>(),
        Endpoint::get("/collectors", Who::Viewer, collectors::list)
            .tag("collectors")
            .summary("All collectors, by name.")
            .query::<Paging>()
            .answers::<Page<Collector>>(),
        Endpoint::get("/collectors/{id}", Who::Viewer, collectors::get)
            .tag("collectors")
            .summary("One collector.")
            .path_parameter(COLLECTOR)
            .answers::<Collector>(),
        Endpoint::delete("/collectors/{id}", Who::Admin, collectors::delete)
            .tag("collectors")
            .summary("Removes a collector and revokes its tokens; what it delivered stays.")
            .path_parameter(COLLECTOR)
            .answers_nothing(),
    ]
}

fn steering_rows() -> Vec<Endpoint> {
    use crate::http::{Page, Paging};
    use crate::steering::effective::Template;
    use crate::steering::http::TOML;
    use crate::steering::model::{CheckQuery, ConfigChange, ConfigQuery, ConfigVersion, ConfigVersionTexts, NewLabels};
    use crate::steering::templates::model::{ConfigTemplate, ConfigTemplates, NewTemplate, TemplateVersions};
    use crate::steering::versioned::model::TemplateChange;
    const CONFIGURED: PathParameter = PathParameter::uuid("collector_id", "The collector.");
    const VERSION: PathParameter = PathParameter::int4("version", "The version.");
    const NAME: PathParameter = PathParameter::text("name", "The template's name.");
    const IF_MATCH: (&str, &str) = ("If-Match", "The `ETag` that the change was made from: refused if it is another.");
    let lost = "`changed_meanwhile`: it is not what `If-Match` says any more.";
    let invalid = "`invalid_configuration`: `details` has the line and the reason.";
    vec![
        Endpoint::get("/config/{collector_id}", Who::CollectorOrAdmin, steering::get)
            .tag("config")
            .summary(
                "The configuration that a collector is to follow, with `ETag` and `X-Config-Version`; 404 where there is none.",
            )
            .path_parameter(CONFIGURED)
            .query::<ConfigQuery>()
            .header("If-None-Match", false, "The `ETag` of the one that is there already.")
            .answers_content(TOML)
            .answers_without_body(304, "It is the one that `If-None-Match` names."),
        Endpoint::put("/config/{collector_id}", Who::Admin, steering::put)
            .tag("config")
            .summary("Writes a collector's configuration, after checking it as the collector does.")
            .path_parameter(CONFIGURED)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .body_limit(config::MAX_FILE)
            .takes_content(TOML)
            .answers::<ConfigChange>()
            .answers_with::<ErrorBody>(400, invalid)
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::get("/config/{collector_id}/versions", Who::Admin, steering::versions)
            .tag("config")
            .summary("Who changed what of a collector's configuration, when and why: the newest version first.")
            .path_parameter(CONFIGURED)
            .query::<Paging>()
            .answers::<Page<ConfigVersion>>(),
        Endpoint::get("/config/{collector_id}/versions/{version}", Who::Admin, steering::version)
            .tag("config")
            .summary("One version, with its texts.")
            .path_parameter(CONFIGURED)
            .path_parameter(VERSION)
            .answers::<ConfigVersionTexts>(),
        Endpoint::post("/config/{collector_id}/versions/{version}/restore", Who::Admin, steering::restore)
            .tag("config")
            .summary("Writes again what was written in an earlier version, as a new version.")
            .path_parameter(CONFIGURED)
            .path_parameter(VERSION)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .answers::<ConfigChange>()
            .answers_with::<ErrorBody>(400, invalid)
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::put("/collectors/{id}/labels", Who::Admin, steering::put_labels)
            .tag("config")
            .summary("Gives a collector other labels, and what the templates for those have.")
            .path_parameter(COLLECTOR)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, "The `ETag` of its configuration that the change was made from.")
            .takes::<NewLabels>()
            .answers::<ConfigChange>()
            .answers_with::<ErrorBody>(400, invalid)
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::get("/config-templates", Who::Admin, versioned::list::<Template>)
            .tag("config")
            .summary("What many collectors have in common, by name.")
            .answers::<ConfigTemplates>(),
        Endpoint::get("/config-templates/{name}", Who::Admin, versioned::get::<Template>)
            .tag("config")
            .summary("One template, with `ETag`.")
            .path_parameter(NAME)
            .answers::<ConfigTemplate>(),
        Endpoint::get("/config-templates/{name}/versions", Who::Admin, versioned::versions::<Template>)
            .tag("config")
            .summary("Who changed what of a template, and when: the newest version first, also of one that was removed.")
            .path_parameter(NAME)
            .answers::<TemplateVersions>(),
        Endpoint::put("/config-templates/{name}", Who::Admin, templates::put)
            .tag("config")
            .summary("Makes or changes a template, and says what each collector gets in the end.")
            .path_parameter(NAME)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .takes::<NewTemplate>()
            .answers::<TemplateChange>()
            .answers_with::<ErrorBody>(400, invalid)
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::delete("/config-templates/{name}", Who::Admin, versioned::delete::<Template>)
            .tag("config")
            .summary("Removes a template, and says what each collector gets in the end. Its versions stay.")
            .path_parameter(NAME)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .answers::<TemplateChange>()
            .answers_with::<ErrorBody>(412, lost),
    ]
}

fn custom_set_rows() -> Vec<Endpoint> {
    use crate::steering::custom_sets::definitions::{BroughtDefinition, BroughtDefinitions};
    use crate::steering::custom_sets::model::{
        CustomSet, CustomSetStates, CustomSetVersions, CustomSets, NewCustomSet,
    };
    use crate::steering::effective::OwnSet;
    use crate::steering::model::CheckQuery;
    use crate::steering::versioned::model::TemplateChange;
    const NAME: PathParameter = PathParameter::text("name", "The set's name; begins with `x_`.");
    const HASH: PathParameter = PathParameter::text("hash", "The definition's hash.");
    const IF_MATCH: (&str, &str) = ("If-Match", "The `ETag` that the change was made from: refused if it is another.");
    let lost = "`changed_meanwhile`: it is not what `If-Match` says any more.";
    let invalid = "`invalid_custom_set`: `details` has the file, the line and the reason.";
    vec![
        Endpoint::get("/custom-sets", Who::Admin, versioned::list::<OwnSet>)
            .tag("custom-sets")
            .summary("Sets of the users' own that are written here, by name.")
            .answers::<CustomSets>(),
        Endpoint::get("/custom-sets/{name}", Who::Admin, versioned::get::<OwnSet>)
            .tag("custom-sets")
            .summary("One custom set, with `ETag`.")
            .path_parameter(NAME)
            .answers::<CustomSet>(),
        Endpoint::get("/custom-sets/{name}/versions", Who::Admin, versioned::versions::<OwnSet>)
            .tag("custom-sets")
            .summary("Who changed what of a custom set, when and why: the newest version first, also of one that was removed.")
            .path_parameter(NAME)
            .answers::<CustomSetVersions>(),
        Endpoint::get("/custom-sets/{name}/collectors", Who::Admin, custom_sets::states)
            .tag("custom-sets")
            .summary("How a custom set goes at the collectors that it is for: the version in force, and what each instance says.")
            .path_parameter(NAME)
            .answers::<CustomSetStates>(),
        Endpoint::put("/custom-sets/{name}", Who::Admin, custom_sets::put)
            .tag("custom-sets")
            .summary("Makes or changes a custom set, after checking it as a collector does, and says what each collector gets.")
            .path_parameter(NAME)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .takes::<NewCustomSet>()
            .answers::<TemplateChange>()
            .answers_with::<ErrorBody>(400, invalid)
            .answers_with::<ErrorBody>(409, "`custom_sets_refused`, `name_taken`.")
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::delete("/custom-sets/{name}", Who::Admin, versioned::delete::<OwnSet>)
            .tag("custom-sets")
            .summary("Removes a custom set. Its versions and what was measured stay.")
            .path_parameter(NAME)
            .query::<CheckQuery>()
            .header(IF_MATCH.0, false, IF_MATCH.1)
            .answers::<TemplateChange>()
            .answers_with::<ErrorBody>(412, lost),
        Endpoint::get("/set-definitions", Who::Admin, definitions::list)
            .tag("custom-sets")
            .summary(
                "Definitions of sets that collectors brought from their own `CATALOG_DIR` under `CUSTOM_SETS=approve`: those \
                 that wait first.",
            )
            .answers::<BroughtDefinitions>(),
        Endpoint::post("/set-definitions/{hash}/approve", Who::Admin, definitions::approve)
            .tag("custom-sets")
            .summary("Approves a definition that a collector brought: its readings are stored from now on.")
            .path_parameter(HASH)
            .answers::<BroughtDefinition>()
            .answers_with::<ErrorBody>(409, "`invalid_definition`: it contradicts what is stored."),
        Endpoint::post("/set-definitions/{hash}/refuse", Who::Admin, definitions::refuse)
            .tag("custom-sets")
            .summary("Refuses a definition that a collector brought.")
            .path_parameter(HASH)
            .answers::<BroughtDefinition>()
            .answers_with::<ErrorBody>(409, "`approved`: its rows are stored already."),
    ]
}

fn metric_rows() -> Vec<Endpoint> {
    use crate::collectors::deliveries::Deliveries;
    use crate::push::{DefinitionsAnswer, NewDefinitions, PushAnswers};
    use ingest::{MANY_CONTENT_TYPE, MAX_COMPRESSED, PushAnswer};
    use reads::metrics::catalog::{MeasuredSet, MeasuredSets};
    use reads::metrics::count::{CountQuery, Counts};
    use reads::metrics::rows::{RowsQuery, SetRows};
    vec![
        Endpoint::post("/metrics/push", Who::Collector, push::push)
            .tag("metrics")
            .summary("Takes a batch, or several of one collector; answers after their rows are committed.")
            .header("Content-Encoding", false, "`zstd`, `gzip`, or none.")
            .takes_content("application/x-protobuf")
            .takes_content(MANY_CONTENT_TYPE)
            .takes_content("application/json")
            .body_limit(MAX_COMPRESSED)
            .answers_with::<PushAnswers>(
                200,
                "With `batches=many`: up to 256 batches, each behind its length as a varint, and an answer for each, in \
                 their order. One that fails does not fail the others.",
            )
            .answers_with::<PushAnswer>(202, "Stored, now or before; what was not is in `rejected`.")
            .answers_with::<ErrorBody>(409, "`unknown_definition`: post the definitions, then send again.")
            .answers_with::<ErrorBody>(503, "Send again after `Retry-After` seconds; `message` says what is short."),
        Endpoint::post("/metrics/definitions", Who::Collector, push::define)
            .tag("metrics")
            .summary("Takes definitions of sets that the server does not know yet.")
            .takes::<NewDefinitions>()
            .answers::<DefinitionsAnswer>(),
        Endpoint::get("/metrics", Who::Viewer, reading::rows)
            .tag("metrics")
            .summary("Rows of one set, newest first, as stored or summed to steps, in the catalogue's units.")
            .query::<RowsQuery>()
            .answers::<SetRows>(),
        Endpoint::get("/metrics/count", Who::Viewer, reading::counts)
            .tag("metrics")
            .summary("How many rows there are, by set.")
            .query::<CountQuery>()
            .answers::<Counts>(),
        Endpoint::get("/metrics/health", Who::Viewer, collectors::all_deliveries)
            .tag("metrics")
            .summary("How each collector's deliveries go: what was lost, what waits, what failed, how fresh it is.")
            .answers::<Deliveries>(),
        Endpoint::get("/catalog", Who::Viewer, reading::sets)
            .tag("catalog")
            .summary("What is measured.")
            .answers::<MeasuredSets>(),
        Endpoint::get("/catalog/{set}", Who::Viewer, reading::set)
            .tag("catalog")
            .summary("One set: columns, types, kinds, units, versions.")
            .path_parameter(PathParameter::text("set", "The set's name."))
            .answers::<MeasuredSet>(),
    ]
}

fn instance_rows() -> Vec<Endpoint> {
    use crate::http::Page;
    use reads::cost::model::CollectorCost;
    use reads::databases::model::Databases;
    use reads::host::model::{Disks, Host};
    use reads::instances::model::{Coverage, FleetQuery, Instance, InstanceDetail, InstanceQuery};
    use reads::io::model::Io;
    use reads::logical::model::LogicalReplication;
    use reads::pg_settings::model::Settings;
    use reads::replication::model::Replication;
    use reads::slots::model::Slots;
    use reads::wal::model::Wal;
    use reads::wraparound::model::Wraparound;
    use reads::{Moment, When};
    vec![
        Endpoint::get("/instances", Who::Viewer, reading::instances)
            .tag("instances")
            .summary("Monitored PostgreSQL instances by name: what each is, how it is and why, at a moment.")
            .query::<FleetQuery>()
            .answers::<Page<Instance>>(),
        Endpoint::get("/instances/{id}", Who::Viewer, reading::instance)
            .tag("instances")
            .summary("One instance at a moment, its databases, and how its sets can be read.")
            .path_parameter(INSTANCE)
            .query::<InstanceQuery>()
            .answers::<InstanceDetail>(),
        Endpoint::get("/instances/{id}/coverage", Who::Viewer, reading::coverage)
            .tag("instances")
            .summary("Per set and column: works, degraded or missing, the reason, and the SQL that mends it.")
            .path_parameter(INSTANCE)
            .answers::<Coverage>(),
        Endpoint::get("/instances/{id}/host", Who::Viewer, reading::host)
            .tag("instances")
            .summary("Processors, load and memory of the instance's host over a time range, and at a moment.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Host>(),
        Endpoint::get("/instances/{id}/io", Who::Viewer, reading::io)
            .tag("instances")
            .summary("Who reads and writes what over a time range: kinds of processes, small caches, written buffers.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Io>(),
        Endpoint::get("/instances/{id}/disks", Who::Viewer, reading::disks)
            .tag("instances")
            .summary("Block devices and file systems of the instance's host over a time range, and at a moment.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Disks>(),
        Endpoint::get("/instances/{id}/collector", Who::Viewer, reading::collector_cost)
            .tag("instances")
            .summary("What collecting takes: the collector's process, and the instance's time by set.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<CollectorCost>(),
        Endpoint::get("/instances/{id}/databases", Who::Viewer, reading::databases)
            .tag("instances")
            .summary("What each database did over a time range, and its rates over time.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Databases>(),
        Endpoint::get("/instances/{id}/replication", Who::Viewer, reading::replication)
            .tag("instances")
            .summary("Who streams from the instance and how far each is behind; what a standby receives and replays.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Replication>(),
        Endpoint::get("/instances/{id}/logical-replication", Who::Viewer, reading::logical_replication)
            .tag("instances")
            .summary(
                "Subscriptions, how each is and what went wrong; publications; what logical decoding took for slots.",
            )
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<LogicalReplication>(),
        Endpoint::get("/instances/{id}/settings", Who::Viewer, reading::settings)
            .tag("instances")
            .summary("The settings of the instance, now or at a moment, and when each last changed.")
            .path_parameter(INSTANCE)
            .query::<Moment>()
            .answers::<Settings>(),
        Endpoint::get("/instances/{id}/slots", Who::Viewer, reading::slots)
            .tag("instances")
            .summary("Replication slots, and the WAL that each keeps.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Slots>(),
        Endpoint::get("/instances/{id}/wal", Who::Viewer, reading::wal)
            .tag("instances")
            .summary("WAL, checkpoints and archiving over a time range, and what lies in the directory.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Wal>(),
        Endpoint::get("/instances/{id}/wraparound", Who::Viewer, reading::wraparound)
            .tag("instances")
            .summary("The age of each database against the limits of transaction ids and multixacts.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Wraparound>(),
    ]
}

fn life_rows() -> [Endpoint; 5] {
    use crate::life::{ContinueInstance, LifeReason, RenameInstance};
    use reads::instances::life::InstanceLife;
    [
        Endpoint::get("/instances/{id}/life", Who::Viewer, life::get)
            .tag("instances")
            .summary("The names and collectors that delivered an instance, and who changed what of that, when and why.")
            .path_parameter(INSTANCE)
            .answers::<InstanceLife>(),
        Endpoint::put("/instances/{id}/name", Who::Admin, life::rename)
            .tag("instances")
            .summary(
                "Gives an instance another name, or that of its collector's configuration again. Its number stays.",
            )
            .path_parameter(INSTANCE)
            .takes::<RenameInstance>()
            .answers::<InstanceLife>()
            .answers_with::<ErrorBody>(409, "`name_taken`: another instance in the fleet has this name."),
        Endpoint::post("/instances/{id}/retire", Who::Admin, life::retire)
            .tag("instances")
            .summary("Takes an instance that is gone out of the fleet; it is back as soon as it is read again.")
            .path_parameter(INSTANCE)
            .takes::<LifeReason>()
            .answers::<InstanceLife>()
            .answers_with::<ErrorBody>(409, "`still_read`, or `already_retired`."),
        Endpoint::post("/instances/{id}/return", Who::Admin, life::unretire)
            .tag("instances")
            .summary("Puts an instance that was retired back into the fleet.")
            .path_parameter(INSTANCE)
            .takes::<LifeReason>()
            .answers::<InstanceLife>()
            .answers_with::<ErrorBody>(
                409,
                "`not_retired`; or `continued`: what is delivered of it goes on as another one.",
            ),
        Endpoint::post("/instances/{id}/continue", Who::Admin, life::go_on)
            .tag("instances")
            .summary("Has an instance go on with what is delivered as another one, which is retired.")
            .path_parameter(INSTANCE)
            .takes::<ContinueInstance>()
            .answers::<InstanceLife>()
            .answers_with::<ErrorBody>(
                409,
                "`still_read`: both would be counted; or `continued`, `not_delivered`, `same_instance`.",
            ),
    ]
}

fn relation_rows() -> [Endpoint; 5] {
    use reads::Moment;
    use reads::functions::model::{Functions, FunctionsQuery};
    use reads::indexes::model::{Indexes, IndexesQuery};
    use reads::schema::model::{Changes, ChangesQuery, Schema};
    use reads::tables::model::{Tables, TablesQuery};
    [
        Endpoint::get("/instances/{id}/tables", Who::Viewer, reading::tables)
            .tag("instances")
            .summary("The tables: size, growth, use over a range, dead rows, and how near autovacuum is.")
            .path_parameter(INSTANCE)
            .query::<TablesQuery>()
            .answers::<Tables>(),
        Endpoint::get("/instances/{id}/indexes", Who::Viewer, reading::indexes)
            .tag("instances")
            .summary("The indexes: what each is used for, and which are invalid, duplicate or unused.")
            .path_parameter(INSTANCE)
            .query::<IndexesQuery>()
            .answers::<Indexes>(),
        Endpoint::get("/instances/{id}/functions", Who::Viewer, reading::functions)
            .tag("instances")
            .summary("The functions and procedures that were called over a range: calls and the time that they took.")
            .path_parameter(INSTANCE)
            .query::<FunctionsQuery>()
            .answers::<Functions>(),
        Endpoint::get("/instances/{id}/schema", Who::Viewer, reading::schema)
            .tag("instances")
            .summary("Which objects there are, now or at a moment, and what of them somebody should mend.")
            .path_parameter(INSTANCE)
            .query::<Moment>()
            .answers::<Schema>(),
        Endpoint::get("/instances/{id}/changes", Who::Viewer, reading::changes)
            .tag("instances")
            .summary(
                "What changed over a time range: tables, columns, indexes, constraints, extensions, roles, settings.",
            )
            .path_parameter(INSTANCE)
            .query::<ChangesQuery>()
            .answers::<Changes>(),
    ]
}

fn session_rows() -> [Endpoint; 5] {
    use reads::locks::model::Locks;
    use reads::progress::model::RunningCommands;
    use reads::sessions::model::{ActiveSessions, ActivityQuery, Connections, Waits, WaitsQuery};
    use reads::{Moment, When};
    [
        Endpoint::get("/instances/{id}/activity", Who::Viewer, reading::activity)
            .tag("sessions")
            .summary("The sessions that are not idle, now or at a moment, the oldest transaction first.")
            .path_parameter(INSTANCE)
            .query::<ActivityQuery>()
            .answers::<ActiveSessions>(),
        Endpoint::get("/instances/{id}/waits", Who::Viewer, reading::waits)
            .tag("sessions")
            .summary("Average active sessions over time, by what they wait for, or by whose they are and what they run.")
            .path_parameter(INSTANCE)
            .query::<WaitsQuery>()
            .answers::<Waits>(),
        Endpoint::get("/instances/{id}/locks", Who::Viewer, reading::locks)
            .tag("sessions")
            .summary("Who blocks whom, now or at a moment, and how many were blocked over time.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Locks>(),
        Endpoint::get("/instances/{id}/connections", Who::Viewer, reading::connections)
            .tag("sessions")
            .summary("Connections against their limit, by state, database and role, now or at a moment, and over time.")
            .path_parameter(INSTANCE)
            .query::<When>()
            .answers::<Connections>(),
        Endpoint::get("/instances/{id}/progress", Who::Viewer, reading::progress)
            .tag("sessions")
            .summary("The long commands that run, now or at a moment, and how far each is: vacuum, analyze, indexes, copies, base backups.")
            .path_parameter(INSTANCE)
            .query::<Moment>()
            .answers::<RunningCommands>(),
    ]
}

const QUERYID: PathParameter = PathParameter::text("queryid", "The statement's queryid, signed.");

fn query_rows() -> [Endpoint; 3] {
    use reads::queries::model::{Ranking, RankingQuery, Statement, StatementQuery, Timeline};
    [
        Endpoint::get("/instances/{id}/queries", Who::Viewer, reading::queries)
            .tag("queries")
            .summary("The statements of a range, the costliest first; with `others` they make everything.")
            .path_parameter(INSTANCE)
            .query::<RankingQuery>()
            .answers::<Ranking>(),
        Endpoint::get("/instances/{id}/queries/{queryid}", Who::Viewer, reading::query)
            .tag("queries")
            .summary("One statement over a range, summed and split by database, role and level.")
            .path_parameter(INSTANCE)
            .path_parameter(QUERYID)
            .query::<StatementQuery>()
            .answers::<Statement>(),
        Endpoint::get("/instances/{id}/queries/{queryid}/timeline", Who::Viewer, reading::query_timeline)
            .tag("queries")
            .summary("One statement's figures per step of a range.")
            .path_parameter(INSTANCE)
            .path_parameter(QUERYID)
            .query::<StatementQuery>()
            .answers::<Timeline>(),
    ]
}
