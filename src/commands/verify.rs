//! `verify`: checks what the mutual published or signed, with nothing but the files.

use std::path::Path;
use std::process::ExitCode;

use umbel::formats::evidence;
use umbel::formats::solvency::{Checked, check_chain, check_inclusion, hex};

use super::Outcome;

/// What kind of file it is.
enum Kind {
    Evidence,
    Inclusion,
    Chain,
}

fn kind(text: &str) -> Kind {
    if text.starts_with("{\"payload\":") || text.contains("\"protected\":") {
        Kind::Evidence
    } else if text.contains("\"proof_sha256\":") {
        Kind::Inclusion
    } else {
        Kind::Chain
    }
}

/// Checks a file: 0 when it holds, 1 when it does not, with the reason.
pub fn run(file: &Path, jwks: Option<&Path>, chain: Option<&Path>, head: Option<&str>) -> Outcome<ExitCode> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = read(file)?;
    if text.trim().is_empty() {
        eprintln!("{}: the file is empty", file.display());
        return Ok(ExitCode::FAILURE);
    }
    let judged = match kind(&text) {
        Kind::Evidence => {
            let jwks = jwks.ok_or("signed evidence is checked with --jwks FILE: the public keys of the mutual")?;
            judge_evidence(&text, &read(jwks)?)
        }
        Kind::Inclusion => judge_inclusion(&text, chain.map(read).transpose()?.as_deref()),
        Kind::Chain => judge_chain(&text, head),
    };
    match judged {
        Ok(said) => {
            println!("{said}");
            Ok(ExitCode::SUCCESS)
        }
        Err(wrong) => {
            eprintln!("{}: {wrong}", file.display());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn judge_evidence(text: &str, jwks: &str) -> Result<String, String> {
    let statement = evidence::verify(text, jwks).map_err(|wrong| wrong.to_string())?;
    let field = |path: &str| statement.pointer(path).and_then(|value| value.as_str()).unwrap_or("?");
    let (issuer, made_at, about) = (field("/issuer"), field("/made_at"), field("/trace/text"));
    Ok(format!("The signature holds: {issuer} said so on {made_at}.\n{about}"))
}

fn last(links: &[Checked]) -> String {
    links.last().map_or_else(String::new, |link| {
        let proof = &link.proof;
        format!("{} {}: owed {}, held {}", proof.entity.name, proof.day, proof.owed_minor.get(), proof.held_minor.get())
    })
}

fn judge_chain(text: &str, head: Option<&str>) -> Result<String, String> {
    let links = check_chain(text).map_err(|broken| broken.to_string())?;
    if let Some(head) = head
        && !links.iter().any(|link| hex(&link.sha256) == head)
    {
        return Err("no proof has the given hash: the chain was cut off or written anew".to_owned());
    }
    let hash = links.last().map(|link| hex(&link.sha256)).unwrap_or_default();
    Ok(format!("{} proofs, each linked to the one before. Last: {}\nSHA-256 {hash}", links.len(), last(&links)))
}

fn judge_inclusion(text: &str, chain: Option<&str>) -> Result<String, String> {
    let links = chain.map(check_chain).transpose().map_err(|broken| format!("the chain: {broken}"))?;
    let it = check_inclusion(text, links.as_deref()).map_err(|wrong| wrong.to_string())?;
    let rest = if links.is_some() {
        "The chain commits to this root."
    } else {
        "Give --chain FILE to see that this root was published."
    };
    Ok(format!("{} activities are counted in the proof of {}. {rest}", it.activities.len(), it.day))
}
