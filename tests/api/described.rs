//! The operations of the API description, and requests that fit it.

use serde_json::{Map, Value, json};
use umbel::demo::{Answer, Client};

/// What may be done and by whom, as the description says.
pub struct Operation {
    pub id: String,
    pub method: String,
    pub path: String,
    /// `None` when the description does not say.
    pub roles: Option<Vec<String>>,
    pub query: String,
    pub body: Option<Body>,
}

/// A body that fits: JSON by its schema, or any bytes.
#[derive(Clone)]
pub struct Body {
    pub media_type: String,
    pub schema: Value,
}

impl Operation {
    /// `GET /v1/orders/{id}`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path up to its first parameter, if it has one.
    pub fn prefix(&self) -> Option<&str> {
        self.path.split_once('{').map(|(prefix, _)| prefix)
    }

    pub fn is_json(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.media_type.ends_with("json"))
    }

    /// Whether the body of this command says nothing.
    pub fn takes_nothing(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.schema == json!({"$ref": "#/components/schemas/Empty"}))
    }

    /// The address of one object.
    pub fn address(&self, id: &str) -> String {
        let mut filled = self.path.replace("{period}", "2026-04").replace("{year}", "2024");
        // What lies within an object of the world has the id of that object.
        while let (Some(from), Some(to)) = (filled.find('{'), filled.find('}')) {
            filled = format!("{}{id}{}", &filled[..from], &filled[to + 1..]);
        }
        if self.query.is_empty() { filled } else { format!("{filled}?{}", self.query) }
    }

    /// A body of the right shape; what it says is not always acceptable.
    pub fn sample(&self, description: &Value, client: &Client) -> Vec<u8> {
        match &self.body {
            None => Vec::new(),
            Some(body) if body.media_type.ends_with("json") => {
                sample(description, &body.schema, client).to_string().into_bytes()
            }
            Some(_) => b"neither a proof nor a statement".to_vec(),
        }
    }

    /// Sends the operation about an object with a version that nothing has, so that no command takes effect.
    pub fn send(&self, client: &Client, id: &str, body: &[u8]) -> Answer {
        let key = client.new_id();
        let media_type = self.body.as_ref().map_or("", |body| body.media_type.as_str());
        let mut headers = Vec::new();
        if self.method != "GET" {
            headers.extend([("Idempotency-Key", key.as_str()), ("If-Match", "\"999999\"")]);
        }
        if !media_type.is_empty() {
            headers.push(("Content-Type", media_type));
        }
        let sent = client.send(&self.method, &self.address(id), &headers, self.body.as_ref().map(|_| body));
        sent.unwrap_or_else(|error| panic!("{error}; the body has {} bytes", body.len()))
    }
}

/// Every operation of the description.
pub fn operations(description: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let roles = operation.get("x-roles").and_then(Value::as_array);
            let roles = roles.map(|roles| roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect());
            let parameters = operation.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
            let needed = parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true);
            let query: Vec<String> = needed
                .map(|p| {
                    let value = sample(description, &p["schema"], &nobody());
                    format!("{}={}", p["name"].as_str().unwrap(), value.as_str().unwrap_or("1"))
                })
                .collect();
            let body = operation.pointer("/requestBody/content").and_then(Value::as_object).map(|content| {
                let (media_type, content) = content.iter().next().unwrap();
                Body { media_type: media_type.clone(), schema: content["schema"].clone() }
            });
            all.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                roles,
                query: query.join("&"),
                body,
            });
        }
    }
    all
}

fn nobody() -> Client {
    Client::new("http://127.0.0.1:9", umbel::platform::clock::Clock::system())
}

/// The smallest value of a schema.
pub fn sample(description: &Value, schema: &Value, client: &Client) -> Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return sample(description, description.pointer(name.trim_start_matches('#')).unwrap(), client);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema.get(choice).and_then(|all| all.get(0)) {
            return sample(description, first, client);
        }
    }
    if let Some(first) = schema.get("enum").and_then(|all| all.get(0)) {
        return first.clone();
    }
    let kind = &schema["type"];
    let kind = kind.as_str().or_else(|| kind[0].as_str()).unwrap_or("object");
    match kind {
        "integer" | "number" => schema.get("minimum").filter(|n| n.as_i64() > Some(0)).cloned().unwrap_or(json!(1)),
        "boolean" => json!(true),
        "array" => {
            let n = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            (0..n).map(|_| sample(description, &schema["items"], client)).collect()
        }
        "string" => sample_text(schema, client),
        _ => {
            let needed = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            let members = needed.iter().map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), sample(description, &schema["properties"][name], client))
            });
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn sample_text(schema: &Value, client: &Client) -> Value {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if let Some(example) = text("example") {
        return json!(example);
    }
    match (text("format"), text("pattern")) {
        (Some("uuid"), _) => json!(client.new_id()),
        (Some("date"), _) => json!("2026-05-04"),
        (_, Some("^[A-Z]{2}$")) => json!("BE"),
        (_, Some("^[A-Z]{3}$")) => json!("EUR"),
        (_, Some(pattern)) if pattern.starts_with("^[0-9]+") || pattern.starts_with("^\\d") => json!("1"),
        _ => {
            let length = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
            json!("a".repeat(usize::try_from(length).unwrap()))
        }
    }
}

/// Asks that an answer is a refusal in good form and gives its code.
pub fn refusal(answer: &Answer) -> Result<String, String> {
    let told = || format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let problem = answer.json();
    let is_problem = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
    let says = |name: &str| problem[name].as_str().is_some_and(|text| !text.is_empty() && !text.contains("{{"));
    let is_whole = ["type", "title", "detail", "code", "instance"].into_iter().all(says);
    if !(400..500).contains(&answer.status) || !is_problem || !is_whole || problem["status"] != answer.status {
        return Err(format!("not a refusal in good form: {}", told()));
    }
    Ok(answer.code())
}

/// Calls a closure for every item on a few threads and gives what failed.
pub fn in_parallel<T: Sync>(items: &[T], check: impl Fn(&T) -> Result<(), String> + Sync) -> Vec<String> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    if let Err(failure) = check(item) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}
