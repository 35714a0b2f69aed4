//! JSON schemas as rows that a person can read, and an example of each.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Prose, anchor, prose, text, texts_of};

/// How deep an example follows schemas into each other: they may contain themselves.
const DEPTH_MAX: u8 = 6;

/// The kind of a value: `array of Invoice`, `string (uuid)`, each with a link when it has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Kind {
    /// `array of `, or nothing.
    before: String,
    /// The name of the kind.
    name: String,
    /// Where it is explained.
    link: Option<String>,
    /// `, or null`, limits and patterns.
    after: String,
}

/// A parameter of an operation or a property of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    name: String,
    /// `path`, `query`, `header`; empty for a property.
    place: String,
    kind: Kind,
    required: bool,
    description: Prose,
    /// The allowed values, when they are listed.
    values: Vec<String>,
}

/// A named schema.
#[derive(Debug, Serialize)]
pub(super) struct Schema {
    name: String,
    anchor: String,
    description: Prose,
    fields: Vec<Field>,
    values: Vec<String>,
    kind: Kind,
}

/// The whole description, to look names up in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'a>(pub(super) &'a Value);

impl<'a> Schemas<'a> {
    /// Every named schema, in the order of the description.
    pub(super) fn all(self) -> Vec<Schema> {
        let none = Map::new();
        let named = self.0.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&none);
        let describe = |(name, schema): (&String, &Value)| Schema {
            name: name.clone(),
            anchor: anchor("schema", name),
            description: prose(text(schema, "/description")),
            fields: self.fields(schema),
            values: values_of(schema),
            kind: kind_of(schema),
        };
        named.iter().map(describe).collect()
    }

    /// What a `$ref` into this description points to; anything else is itself.
    pub(super) fn resolved<'b>(self, value: &'b Value) -> &'b Value
    where
        'a: 'b,
    {
        let target = value.get("$ref").and_then(Value::as_str).and_then(|link| link.strip_prefix('#'));
        target.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(value)
    }

    /// A parameter as a row.
    pub(super) fn parameter(self, parameter: &Value) -> Field {
        let parameter = self.resolved(parameter);
        let schema = parameter.get("schema").unwrap_or(&Value::Null);
        Field {
            name: text(parameter, "/name").to_owned(),
            place: text(parameter, "/in").to_owned(),
            kind: kind_of(schema),
            required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
            description: prose(text(parameter, "/description")),
            values: values_of(self.resolved(schema)),
        }
    }

    /// The properties of an object, also of one put together from several.
    pub(super) fn fields(self, schema: &Value) -> Vec<Field> {
        self.fields_within(schema, 0)
    }

    fn fields_within(self, schema: &Value, depth: u8) -> Vec<Field> {
        if depth > DEPTH_MAX {
            return Vec::new();
        }
        let schema = self.resolved(schema);
        let required = texts_of(schema.get("required"));
        let none = Map::new();
        let row = |(name, property): (&String, &Value)| Field {
            name: name.clone(),
            place: String::new(),
            kind: kind_of(property),
            required: required.contains(name),
            description: prose(text(property, "/description")),
            values: values_of(property),
        };
        let own = schema.get("properties").and_then(Value::as_object).unwrap_or(&none).iter().map(row);
        let parts = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let theirs = parts.iter().flat_map(|part| self.fields_within(part, depth.saturating_add(1)));
        theirs.chain(own).collect()
    }

    /// An example of a body: its own, or one made from the schema; indented JSON.
    pub(super) fn example_of(self, content: &Value) -> String {
        let own = content.get("example").cloned();
        let value = own.unwrap_or_else(|| self.example(content.get("schema").unwrap_or(&Value::Null), 0));
        serde_json::to_string_pretty(&value).unwrap_or_default()
    }

    fn example(self, schema: &Value, depth: u8) -> Value {
        let schema = self.resolved(schema);
        let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|all| all.first()).cloned();
        let given = ["example", "const", "default"].iter().find_map(|key| schema.get(*key).cloned());
        if let Some(given) = given.or_else(|| first("examples")).or_else(|| first("enum")) {
            return given;
        }
        if depth > DEPTH_MAX {
            return Value::Null;
        }
        let deeper = depth.saturating_add(1);
        for key in ["oneOf", "anyOf"] {
            let choices = schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            if let Some(choice) = choices.iter().find(|choice| !is_null(choice)) {
                return self.example(choice, deeper);
            }
        }
        let parts = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut object = Map::new();
        for part in parts {
            if let Value::Object(fields) = self.example(part, deeper) {
                object.extend(fields);
            }
        }
        match type_of(schema).0 {
            "array" => schema.get("items").map_or_else(|| json!([]), |items| json!([self.example(items, deeper)])),
            "string" => json!(example_text(schema)),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => json!(true),
            _ => {
                let none = Map::new();
                let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
                object.extend(properties.iter().map(|(name, property)| (name.clone(), self.example(property, deeper))));
                Value::Object(object)
            }
        }
    }
}

/// The kind of a schema in words.
pub(super) fn kind_of(schema: &Value) -> Kind {
    let plain = |name: &str, after: String| Kind { before: String::new(), name: name.to_owned(), link: None, after };
    if let Some(link) = schema.get("$ref").and_then(Value::as_str) {
        let name = link.rsplit('/').next().unwrap_or(link);
        return Kind { link: Some(anchor("#schema", name)), ..plain(name, String::new()) };
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let Some(choices) = schema.get(key).and_then(Value::as_array) else { continue };
        let (nulls, others): (Vec<&Value>, Vec<&Value>) = choices.iter().partition(|choice| is_null(choice));
        let null = if nulls.is_empty() { "" } else { " or null" };
        if let [only] = others.as_slice() {
            let kind = kind_of(only);
            let after = format!("{}{null}", kind.after);
            return Kind { after, ..kind };
        }
        let word = if key == "allOf" { " and " } else { " or " };
        let names: Vec<String> = others.iter().map(|choice| kind_of(choice).name).collect();
        return plain(&names.join(word), null.to_owned());
    }
    let (kind, null) = type_of(schema);
    if kind == "array" {
        let items = schema.get("items").map_or_else(|| plain("anything", String::new()), kind_of);
        return Kind { before: format!("array of {}", items.before), after: format!("{}{null}", items.after), ..items };
    }
    let format = schema.get("format").and_then(Value::as_str).map(|format| format!(" ({format})"));
    plain(kind, format!("{}{}{null}", format.unwrap_or_default(), limits(schema)))
}

/// The type of a schema, and `" or null"` if it may be null.
fn type_of(schema: &Value) -> (&str, &'static str) {
    match schema.get("type") {
        Some(Value::String(kind)) => (kind, ""),
        Some(Value::Array(kinds)) => {
            let mut names = kinds.iter().filter_map(Value::as_str);
            let null = if names.clone().any(|name| name == "null") { " or null" } else { "" };
            (names.find(|name| *name != "null").unwrap_or("null"), null)
        }
        _ if schema.get("properties").is_some() => ("object", ""),
        _ if schema.get("enum").is_some() => ("string", ""),
        _ => ("anything", ""),
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

fn values_of(schema: &Value) -> Vec<String> {
    let values = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

/// Length, range and pattern in words.
fn limits(schema: &Value) -> String {
    let of = |key: &str| schema.get(key).filter(|limit| limit.is_number());
    let range = |low: Option<&Value>, high: Option<&Value>, unit: &str| match (low, high) {
        (Some(low), Some(high)) => format!(", {low} to {high}{unit}"),
        (Some(low), None) => format!(", at least {low}{unit}"),
        (None, Some(high)) => format!(", at most {high}{unit}"),
        (None, None) => String::new(),
    };
    let length = range(of("minLength"), of("maxLength"), " characters");
    let size = range(of("minimum"), of("maximum"), "");
    let pattern = schema.get("pattern").and_then(Value::as_str).map(|pattern| format!(", like {pattern}"));
    format!("{length}{size}{}", pattern.unwrap_or_default())
}

fn example_text(schema: &Value) -> &'static str {
    match text(schema, "/format") {
        "uuid" => "0197f3a2-6c1e-7b54-9d0e-3f5f0a9c11aa",
        "date" => "2026-04-15",
        "date-time" => "2026-04-15T09:14:03.114Z",
        "email" => "awa@example.com",
        "uri" => "https://example.com",
        _ => "…",
    }
}
