//! A request that is sent until it is answered.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use umbel::demo::{Answer, Client};

use super::PATIENCE;

pub fn id_of(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A request whose fate is watched: what it asks for, and a figure that says how often that has happened.
pub struct Wish {
    pub client: Client,
    pub key: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub effect: String,
}

impl Wish {
    pub fn about(client: &Client, path: &str, seen: &Value, body: &Value, effect: String) -> Self {
        let headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("If-Match".to_owned(), format!("\"{}\"", seen["version"])),
        ];
        let body = body.to_string().into_bytes();
        Self { client: client.clone(), key: client.new_id(), path: path.to_owned(), headers, body, effect }
    }

    /// Nothing, when the line broke before an answer came.
    pub fn send(&self) -> Option<Answer> {
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        headers.push(("Idempotency-Key", &self.key));
        self.client.send("POST", &self.path, &headers, Some(&self.body)).ok()
    }

    /// Sends it with its one key until an answer comes that is final.
    pub fn until_answered(&self) -> Answer {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.send() {
                Some(answer) if answer.status != 503 && answer.code() != "idempotency_in_progress" => return answer,
                Some(_) | None => thread::sleep(Duration::from_millis(20)),
            }
        }
        panic!("no answer to {}", self.path);
    }

    /// As somebody asks who does not know of keys: everything is new, only the wish is the same.
    pub fn with_new_key(&self) -> Self {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap();
        body["id"] = json!(self.client.new_id());
        Self {
            client: self.client.clone(),
            key: self.client.new_id(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: body.to_string().into_bytes(),
            effect: self.effect.clone(),
        }
    }
}
