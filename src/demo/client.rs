//! A plain HTTP client that speaks the API's conventions.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Method;

use crate::platform::clock::Clock;

/// A step did not go as expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(pub String);

impl DemoError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    what: String,
}

impl Answer {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The stable code of a problem.
    #[must_use]
    pub fn code(&self) -> String {
        self.json().get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The body as JSON, if the status is the expected one.
    ///
    /// # Errors
    /// Says what was answered instead.
    pub fn expect(&self, status: u16) -> Result<Value, DemoError> {
        if self.status == status {
            return Ok(self.json());
        }
        let body = String::from_utf8_lossy(&self.body);
        Err(DemoError::new(format!("{}: expected {status}, got {}: {body}", self.what, self.status)))
    }
}

/// Somebody at a device: nobody yet, or signed in.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    base: String,
    clock: Clock,
    /// The access token, once signed in.
    pub token: Option<String>,
    /// The refresh token, once signed in.
    pub refresh_token: Option<String>,
    /// The person, once signed in.
    pub person_id: Option<String>,
}

impl Client {
    /// A device that is not signed in.
    #[must_use]
    pub fn new(base: &str, clock: Clock) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .build()
            .into();
        Self { agent, base: base.to_owned(), clock, token: None, refresh_token: None, person_id: None }
    }

    /// An id for a new object, made on this device.
    #[must_use]
    pub fn new_id(&self) -> String {
        self.clock.new_id().to_string()
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, DemoError> {
        let what = format!("{method} {path}");
        let failed = |error: &dyn std::fmt::Display| DemoError::new(format!("{what}: {error}"));
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| failed(&error))?;
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token
            && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let request = request.body(body.unwrap_or_default().to_vec()).map_err(|error| failed(&error))?;
        let mut response = self.agent.run(request).map_err(|error| failed(&error))?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = response.status().as_u16();
        let body =
            response.body_mut().with_config().limit(64 * 1024 * 1024).read_to_vec().map_err(|error| failed(&error))?;
        Ok(Answer { status, headers, body, what })
    }

    /// Reads.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn get(&self, path: &str) -> Result<Answer, DemoError> {
        self.send("GET", path, &[], None)
    }

    /// Sends a command with a new key.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, DemoError> {
        let key = self.new_id();
        self.command("POST", path, &[("Idempotency-Key", &key)], body)
    }

    /// Sends a command about an object as it was seen.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn change(&self, path: &str, version: i64, body: &Value) -> Result<Answer, DemoError> {
        let (key, version) = (self.new_id(), format!("\"{version}\""));
        self.command("POST", path, &[("Idempotency-Key", &key), ("If-Match", &version)], body)
    }

    /// Changes parts of an object as it was seen.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn patch(&self, path: &str, version: i64, body: &Value) -> Result<Answer, DemoError> {
        let version = format!("\"{version}\"");
        let headers = [("Content-Type", "application/merge-patch+json"), ("If-Match", version.as_str())];
        self.send("PATCH", path, &headers, Some(body.to_string().as_bytes()))
    }

    /// Sends JSON with the given headers.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn command(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, DemoError> {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, Some(body.to_string().as_bytes()))
    }

    /// Uploads a file with a new key.
    ///
    /// # Errors
    /// Fails when nothing answers.
    pub fn upload(&self, path: &str, media_type: &str, bytes: &[u8]) -> Result<Answer, DemoError> {
        let key = self.new_id();
        self.send("POST", path, &[("Content-Type", media_type), ("Idempotency-Key", &key)], Some(bytes))
    }

    /// Signs in on this device.
    ///
    /// # Errors
    /// Fails when the password is wrong.
    pub fn sign_in(mut self, email: &str, password: &str) -> Result<Self, DemoError> {
        self.token = None;
        let body = serde_json::json!({"email": email, "password": password, "device": "demonstration"});
        let tokens = self.command("POST", "/v1/sessions", &[], &body)?.expect(200)?;
        let field = |name: &str| tokens.get(name).and_then(Value::as_str).map(str::to_owned);
        self.token = field("access_token");
        self.refresh_token = field("refresh_token");
        self.person_id = field("person_id");
        Ok(self)
    }
}
