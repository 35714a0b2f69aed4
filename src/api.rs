//! The table of contents of the API: every room's operations, once for the routes and once for the description.

use std::sync::OnceLock;

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::formats::pages;
use crate::platform::clock::Clock;
use crate::platform::db::{Actor, Db};
use crate::platform::error::{Error, Result};
use crate::platform::web::problems::{KnownRoutes, MEDIA_TYPE};

macro_rules! rooms {
    ($($room:ident),+ $(,)?) => {
        fn rooms(config: &mut ServiceConfig) {
            $(crate::$room::http::routes(config);)+
        }

        fn descriptions() -> Vec<utoipa::openapi::OpenApi> {
            vec![$(crate::$room::http::Description::openapi()),+, crate::operations::Description::openapi()]
        }
    };
}

#[rustfmt::skip] // one room, one line
rooms!(
    access,
    charter,
    members,
    bank_details,
    activities,
    clients,
    guarantee,
    levies,
    orders,
    invoicing,
    recurring,
    write_offs,
    costs,
    pools,
    delivery,
    reminders,
    collection,
    supplier_invoices,
    shares,
    surplus,
    payroll,
    risk,
    transfers,
    internal_invoices,
    payouts,
    payout_plans,
    bank,
    accounting,
    solvency,
    explain,
    outbox,
    jobs,
    proposals,
);

/// Registers every route.
pub fn routes(config: &mut ServiceConfig) {
    rooms(config);
    crate::operations::routes(config);
    crate::orders::pages::routes(config);
    crate::delivery::pages::routes(config);
    crate::members::pages::routes(config);
    crate::solvency::pages::routes(config);
    config.service(health).service(ready).service(docs).service(openapi);
}

/// What every operation may answer besides its own.
const PROBLEMS: [(u16, &str); 13] = [
    (400, "The request is not understood."),
    (401, "Nobody is signed in, or no longer."),
    (403, "This person may not do it."),
    (404, "Not there, or not yours."),
    (405, "Not with this method."),
    (409, "The state of things does not allow it."),
    (412, "The object has changed since it was read."),
    (413, "The body is too large."),
    (415, "Not this media type."),
    (422, "A value is not acceptable; `errors` names the fields."),
    (428, "`If-Match` is missing."),
    (429, "Too many requests; see `Retry-After`."),
    (503, "Not at the moment; nothing was done."),
];

/// The API description: `OpenAPI` 3.1, generated from the handlers.
///
/// # Errors
/// Fails only if the generated parts do not fit together.
pub fn description() -> Result<Value> {
    let mut whole = utoipa::openapi::OpenApi::default();
    for part in descriptions() {
        whole.merge(part);
    }
    let mut value = serde_json::to_value(whole)?;
    let root = value.as_object_mut().ok_or_else(|| Error::internal("not an object"))?;
    root.insert("openapi".to_owned(), json!("3.1.0"));
    root.insert(
        "info".to_owned(),
        json!({
            "title": "Umbel",
            "version": "1",
            "summary": "The back office of a freelancer mutual.",
            "description": "Money is whole minor units. Ids are made by the sender. Every POST but signing in carries an \
                Idempotency-Key (or the id of its object) and is safe to repeat for ever. Commands on an object carry \
                If-Match with the version that was seen. Errors are problem details with a stable `code`.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        }),
    );
    root.insert("servers".to_owned(), json!([{"url": "/"}]));
    root.insert("security".to_owned(), json!([{"bearer": []}]));
    let components = entry(root, "components")?;
    entry(components, "securitySchemes")?
        .insert("bearer".to_owned(), json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}));
    entry(components, "schemas")?.insert("Problem".to_owned(), problem_schema());
    for item in entry(root, "paths")?.values_mut().filter_map(Value::as_object_mut) {
        for (method, operation) in item.iter_mut() {
            if let Some(operation) = operation.as_object_mut() {
                complete(method, operation)?;
            }
        }
    }
    Ok(value)
}

/// Made once: it costs milliseconds and megabytes, and anybody may ask for it.
static DESCRIPTION: OnceLock<String> = OnceLock::new();

fn description_text() -> Result<&'static str> {
    if let Some(text) = DESCRIPTION.get() {
        return Ok(text);
    }
    let text = description()?.to_string();
    Ok(DESCRIPTION.get_or_init(|| text))
}

fn entry<'a>(object: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Map<String, Value>> {
    let value = object.entry(name.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    value.as_object_mut().ok_or_else(|| Error::internal(format!("{name} is not an object")))
}

/// Adds what is the same for all operations: problems and the headers of commands.
fn complete(method: &str, operation: &mut Map<String, Value>) -> Result<()> {
    let responses = entry(operation, "responses")?;
    for (status, text) in PROBLEMS {
        responses.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": text,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            })
        });
    }
    if !matches!(method, "post" | "put" | "patch" | "delete") {
        return Ok(());
    }
    let headers = [
        (
            "Idempotency-Key",
            "Made by the sender, once per intent; the id of the object when absent.",
            json!({"type": "string", "maxLength": 100}),
        ),
        (
            "If-Match",
            "The version that was seen, for commands on an object.",
            json!({"type": "string", "pattern": "^\"?[0-9]{1,9}\"?$"}),
        ),
    ];
    let parameters = operation.entry("parameters").or_insert_with(|| Value::Array(Vec::new()));
    if let Some(parameters) = parameters.as_array_mut() {
        for (name, description, schema) in headers {
            parameters.push(
                json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema}),
            );
        }
    }
    Ok(())
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "A problem (RFC 9457): `code` is stable, the texts are in the language of the reader.",
        "required": ["type", "title", "status", "detail", "code", "instance", "retryable"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "instance": {"type": "string"},
            "retryable": {"type": "boolean"},
            "params": {"type": "object"},
            "errors": {"type": "array", "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "code": {"type": "string"}},
            }},
            "current": {"description": "The object as it is now, for a stale version."},
        },
    })
}

/// The routes of the description, to tell 405 from 404.
///
/// # Errors
/// As [`description`].
pub fn known_routes() -> Result<KnownRoutes> {
    let description = description()?;
    let _as_before = DESCRIPTION.set(description.to_string());
    let paths = description.get("paths").and_then(Value::as_object).cloned().unwrap_or_default();
    let methods = |item: &Value| {
        item.as_object().map(|item| item.keys().map(|method| method.to_uppercase()).collect()).unwrap_or_default()
    };
    let pages = ["/healthz", "/readyz", "/docs", "/openapi.json", "/solvency"]
        .map(|path| (path.to_owned(), vec!["GET".to_owned()]));
    Ok(KnownRoutes::new(paths.iter().map(|(path, item)| (path.clone(), methods(item))).chain(pages)))
}

/// The process is there.
#[get("/healthz")]
async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// The process can work: the database answers.
#[get("/readyz")]
async fn ready(db: Data<Db>) -> Result<HttpResponse> {
    // Opening a transaction runs a function of ours: the database answers and is migrated.
    db.write(Actor::System, |_tx| Ok(())).await?;
    Ok(HttpResponse::Ok().json(json!({"status": "ready"})))
}

/// The API description for machines.
#[get("/openapi.json")]
async fn openapi() -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=300"))
        .content_type("application/json")
        .body(description_text()?))
}

/// The API description for people.
#[get("/docs")]
async fn docs(clock: Data<Clock>) -> Result<HttpResponse> {
    let nonce = URL_SAFE_NO_PAD.encode(clock.random_bytes::<16>());
    let body = pages::api_docs(description_text()?, &nonce).map_err(Error::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Security-Policy", pages::content_security_policy(&nonce)))
        .content_type("text/html; charset=utf-8")
        .body(body))
}
