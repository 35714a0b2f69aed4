//! What the program really sends to PostgreSQL.

use std::sync::{Mutex, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use umbel::platform::clock::Clock;
use umbel::platform::db::Db;
use umbel::platform::faults::Faults;

use crate::commands::Outcome;

static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes every statement when it is sent, `BEGIN` and `COMMIT` too.
struct Recorder;

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            SENT.lock().unwrap_or_else(PoisonError::into_inner).push(query.to_string());
        }
    }
}

/// One connection whose statements are noted. Connections made later are not.
pub fn recorded(url: &str, clock: &Clock) -> Outcome<Db> {
    set_default_instrumentation(|| Some(Box::new(Recorder)))?;
    let db = Db::connect(url, 1, clock.clone(), Faults::from_env());
    set_default_instrumentation(|| None)?;
    Ok(db?)
}

/// The statements since the last call.
pub fn take() -> Vec<String> {
    std::mem::take(&mut *SENT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The statements of a pgbench script.
pub fn of_script(script: &str) -> Vec<String> {
    let lines = script.lines().filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
    let text: Vec<&str> = lines.collect();
    let text = text.join("\n").replace("\\gset", ";");
    text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

/// A statement without its values: `$1`, `:name` and `nullif(:name, '-')` are all `?`.
pub fn shape(statement: &str) -> String {
    let text = statement.split(" -- binds").next().unwrap_or_default();
    let mut shape = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        let after_colon = shape.ends_with(':');
        let is_bind = letter == '$' && next.is_ascii_digit();
        let is_name = letter == ':' && !after_colon && (next.is_ascii_alphabetic() || next == '_');
        if is_bind || is_name {
            while letters.next_if(|one| one.is_ascii_alphanumeric() || *one == '_').is_some() {}
            shape.push('?');
        } else if letter.is_whitespace() {
            if !shape.ends_with(' ') {
                shape.push(' ');
            }
        } else {
            shape.push(letter);
        }
    }
    for absent in ["nullif(?, '-')::uuid", "nullif(?, '-')::date", "nullif(?, '-')"] {
        shape = shape.replace(absent, "?");
    }
    shape.trim().to_owned()
}

/// How people call a statement: its verb and its tables; of a query the first table.
pub fn title(statement: &str) -> String {
    let plain = statement.split(" -- binds").next().unwrap_or_default().replace('"', "");
    let words: Vec<&str> = plain.split_whitespace().map(|word| word.trim_start_matches('(')).collect();
    let table = |name: &str| name.split('(').next().unwrap_or_default().to_owned();
    let mut written = Vec::new();
    for pair in words.windows(2) {
        match *pair {
            ["INTO", name] => written.push(format!("INSERT {}", table(name))),
            ["UPDATE", name] if name != "SET" => written.push(format!("UPDATE {}", table(name))),
            _ => {}
        }
    }
    if !written.is_empty() {
        return written.join(" + ");
    }
    let verb = words.first().copied().unwrap_or_default();
    let from = words.iter().skip_while(|word| **word != "FROM").nth(1).map(|name| table(name)).unwrap_or_default();
    format!("{verb} {from}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_and_its_line_in_a_script_have_one_shape() {
        let sent = "UPDATE a SET b = $1, c = $12::text[] WHERE d = $3 -- binds: [1, \"x :y\"]";
        let script =
            "\\set n 1\n-- why\nUPDATE a\n  SET b = nullif(:none, '-'), c = :cs::text[] WHERE d = :d;\nCOMMIT;\n";
        let script = of_script(script);
        assert_eq!(script.len(), 2);
        assert_eq!(shape(sent), shape(&script[0]));
        assert_ne!(shape(sent), shape("UPDATE a SET b = $1, c = $2::text[] WHERE e = $3"));
    }

    #[test]
    fn a_statement_is_called_by_its_verb_and_table() {
        for (statement, expected) in [
            ("SELECT * FROM umbel_enter($1, $2)", "SELECT umbel_enter"),
            ("INSERT INTO \"outbox\" (\"topic\") VALUES ($1)", "INSERT outbox"),
            ("UPDATE \"invoice\" SET a = 1", "UPDATE invoice"),
            ("WITH x AS (INSERT INTO a (b) VALUES (1)) UPDATE c SET d = 1", "INSERT a + UPDATE c"),
            ("SELECT a FROM b LIMIT 1 FOR UPDATE", "SELECT b"),
            ("INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", "INSERT a"),
            ("COMMIT", "COMMIT"),
        ] {
            assert_eq!(title(statement), expected);
        }
    }
}
