//! The description of the API as one readable page, written from the OpenAPI 3.1 file and nothing else.
//!
//! Beside the standard, it shows two extensions of ours: `x-roles` on an operation, who may call it, and
//! `x-error-codes` on an operation or one of its responses, the codes that a problem can carry.

mod schema;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{LAYOUTS, PageError};
use schema::{Field, Kind, Schema, Schemas, kind_of};

const CSS: &str = include_str!("api_docs.css");
const SCRIPT: &str = include_str!("api_docs.js");
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// A piece of a description: plain words, or a name between backticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Span {
    code: bool,
    text: String,
}

/// Paragraphs of spans: as much Markdown as doc comments use, escaped by the layout like everything else.
type Prose = Vec<Vec<Span>>;

fn prose(text: &str) -> Prose {
    let spans = |paragraph: &str| {
        let pieces = paragraph.split('`').enumerate();
        let spans = pieces.map(|(place, text)| Span { code: place % 2 == 1, text: text.to_owned() });
        spans.filter(|span| !span.text.is_empty()).collect()
    };
    text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()).map(spans).collect()
}

#[derive(Serialize)]
struct Response {
    status: String,
    tone: &'static str,
    description: Prose,
    codes: Vec<String>,
    kind: Option<Kind>,
}

#[derive(Serialize)]
struct Body {
    media_type: String,
    required: bool,
    kind: Kind,
    fields: Vec<Field>,
    example: String,
}

#[derive(Serialize)]
struct Operation {
    id: String,
    anchor: String,
    method: &'static str,
    path: String,
    summary: String,
    description: Prose,
    deprecated: bool,
    roles: Vec<String>,
    codes: Vec<String>,
    parameters: Vec<Field>,
    body: Option<Body>,
    responses: Vec<Response>,
    answer: Option<String>,
    needles: String,
}

#[derive(Serialize)]
struct Group {
    tag: String,
    anchor: String,
    description: Prose,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct DocsView<'a> {
    nonce: &'a str,
    css: &'static str,
    script: &'static str,
    title: &'a str,
    version: &'a str,
    description: Prose,
    count: usize,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// Writes the page of an OpenAPI 3.1 description. `nonce` is that of [`super::content_security_policy`].
///
/// What the description lacks is left out: a half-written one still gives a page.
///
/// # Errors
/// Refuses text that is not JSON.
pub fn api_docs(openapi_json: &str, nonce: &str) -> Result<String, PageError> {
    let api: Value = serde_json::from_str(openapi_json)?;
    let schemas = Schemas(&api);
    let groups = groups(&api, schemas);
    let view = DocsView {
        nonce,
        css: CSS,
        script: SCRIPT,
        title: text(&api, "/info/title"),
        version: text(&api, "/info/version"),
        description: prose(text(&api, "/info/description")),
        count: groups.iter().map(|group| group.operations.len()).sum(),
        groups,
        schemas: schemas.all(),
    };
    Ok(LAYOUTS.render("api_docs.html", &view)?)
}

/// A text at a JSON pointer; empty when there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn texts_of(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A name that can stand in a fragment.
fn anchor(prefix: &str, name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    format!("{prefix}-{}", plain.collect::<String>())
}

/// Operations by tag: first the tags in the order of the description, then the others as they come.
fn groups(api: &Value, schemas: Schemas<'_>) -> Vec<Group> {
    let group = |tag: &str, description: &str| Group {
        tag: tag.to_owned(),
        anchor: anchor("tag", tag),
        description: prose(description),
        operations: Vec::new(),
    };
    let tags = api.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut groups: Vec<Group> = tags.iter().map(|tag| group(text(tag, "/name"), text(tag, "/description"))).collect();
    let none = Map::new();
    for (path, item) in api.get("paths").and_then(Value::as_object).unwrap_or(&none) {
        for method in METHODS {
            let Some(described) = item.get(method) else { continue };
            let tags = texts_of(described.get("tags"));
            let tag = tags.first().map_or("other", String::as_str);
            let operation = operation(method, path, item, described, schemas);
            if let Some(known) = groups.iter_mut().find(|group| group.tag == tag) {
                known.operations.push(operation);
            } else {
                let mut fresh = group(tag, "");
                fresh.operations.push(operation);
                groups.push(fresh);
            }
        }
    }
    groups.retain(|group| !group.operations.is_empty());
    groups
}

fn operation(method: &'static str, path: &str, item: &Value, described: &Value, schemas: Schemas<'_>) -> Operation {
    let id = text(described, "/operationId").to_owned();
    let summary = text(described, "/summary").to_owned();
    let listed = |value: &Value| value.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    let parameters = [listed(item), listed(described)].concat();
    let none = Map::new();
    let responses = described.get("responses").and_then(Value::as_object).unwrap_or(&none);
    let answer = responses.iter().find(|(status, _)| status.starts_with('2')).and_then(|(_, response)| {
        let (_, content) = json_content(schemas.resolved(response))?;
        Some(schemas.example_of(content))
    });
    let roles = texts_of(described.get("x-roles"));
    let codes = texts_of(described.get("x-error-codes"));
    Operation {
        anchor: anchor("op", if id.is_empty() { path } else { &id }),
        needles: format!("{method} {path} {id} {summary} {} {}", roles.join(" "), codes.join(" ")).to_lowercase(),
        method,
        path: path.to_owned(),
        description: prose(text(described, "/description")),
        deprecated: described.get("deprecated").and_then(Value::as_bool).unwrap_or_default(),
        parameters: parameters.iter().map(|parameter| schemas.parameter(parameter)).collect(),
        body: described.get("requestBody").and_then(|body| request_body(schemas.resolved(body), schemas)),
        responses: responses.iter().map(|(status, described)| response(status, described, schemas)).collect(),
        roles,
        codes,
        answer,
        id,
        summary,
    }
}

/// The JSON content of a body, or its first other one.
fn json_content(body: &Value) -> Option<(&String, &Value)> {
    let content = body.get("content")?.as_object()?;
    content.iter().find(|(media_type, _)| media_type.contains("json")).or_else(|| content.iter().next())
}

fn request_body(body: &Value, schemas: Schemas<'_>) -> Option<Body> {
    let (media_type, content) = json_content(body)?;
    let schema = content.get("schema")?;
    Some(Body {
        media_type: media_type.clone(),
        required: body.get("required").and_then(Value::as_bool).unwrap_or_default(),
        kind: kind_of(schema),
        fields: schemas.fields(schema),
        example: if media_type.contains("json") { schemas.example_of(content) } else { String::new() },
    })
}

fn response(status: &str, described: &Value, schemas: Schemas<'_>) -> Response {
    let described = schemas.resolved(described);
    let kind = json_content(described).and_then(|(_, content)| content.get("schema")).map(kind_of);
    let tone = match status.chars().next() {
        Some('2' | '3') => "good",
        Some('4') => "refused",
        _ => "broken",
    };
    Response {
        status: status.to_owned(),
        tone,
        description: prose(text(described, "/description")),
        codes: texts_of(described.get("x-error-codes")),
        kind,
    }
}
