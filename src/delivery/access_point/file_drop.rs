//! A folder that another program watches: works without anything else, and with any access point that reads files.
//!
//! `<folder>/<participant>/<number>-<id>.xml` is written under another name and then renamed, so that nobody reads half
//! a file. The other program answers with `<number>-<id>.receipt.json` (it took the document) and
//! `<number>-<id>.status.json` (what became of it) in the same folder; the second counts more than the first. Both are
//! removed when the document is dropped again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{ANSWER_MAX, AccessPoint, Answer, NoAnswer, Outcome, Slip, read_answer};

/// The endings of the answers, the one that counts more first.
const ANSWERS: [&str; 2] = ["status.json", "receipt.json"];

/// The folder.
#[derive(Debug, Clone)]
pub struct FileDrop {
    folder: PathBuf,
}

impl FileDrop {
    /// Drops into `folder`, which is made when the first document comes.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the files of a document are, without their ending.
    fn place(&self, slip: &Slip) -> (PathBuf, String) {
        (self.folder.join(file_name(&slip.participant)), format!("{}-{}", file_name(&slip.number), slip.key))
    }

    fn write(folder: &Path, stem: &str, xml: &[u8]) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let hidden = folder.join(format!(".{stem}.part"));
        let mut file = File::create(&hidden)?;
        file.write_all(xml)?;
        file.sync_all()?;
        Ok(hidden)
    }
}

/// A text as the name of a file: no separators, no hidden files.
fn file_name(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    text.chars().map(safe).collect()
}

impl AccessPoint for FileDrop {
    fn send(&self, slip: &Slip, xml: &[u8]) -> Result<Answer, NoAnswer> {
        let (folder, stem) = self.place(slip);
        let not_sent = |error: io::Error| NoAnswer::NotSent(error.to_string());
        let hidden = Self::write(&folder, &stem, xml).map_err(not_sent)?;
        // What was answered to an earlier try says nothing about this one; we have kept it.
        for ending in ANSWERS {
            match fs::remove_file(folder.join(format!("{stem}.{ending}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_sent(error)),
                _ => {}
            }
        }
        fs::rename(&hidden, folder.join(format!("{stem}.xml"))).map_err(not_sent)?;
        // From here on the other program may have seen it.
        File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| NoAnswer::Unknown(error.to_string()))?;
        Ok(Answer { outcome: Outcome::Deposited, reference: None, reason: None, receipt: Vec::new() })
    }

    fn ask(&self, slip: &Slip) -> Result<Option<Answer>, NoAnswer> {
        let (folder, stem) = self.place(slip);
        for ending in ANSWERS {
            let path = folder.join(format!("{stem}.{ending}"));
            let Some(bytes) = read(&path).map_err(|error| NoAnswer::Unknown(error.to_string()))? else { continue };
            match read_answer(bytes) {
                Some(answer) => return Ok(Some(answer)),
                // Perhaps it is being written this moment; the next look reads it again.
                None => tracing::warn!(path = %path.display(), "an answer of the access point cannot be read"),
            }
        }
        if folder.join(format!("{stem}.xml")).is_file() {
            return Ok(Some(Answer {
                outcome: Outcome::Deposited,
                reference: None,
                reason: None,
                receipt: Vec::new(),
            }));
        }
        Ok(None)
    }
}

/// A plain file up to the limit; nothing where there is none.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(ANSWER_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::DeliveryId;

    #[test]
    fn a_number_cannot_climb_out_of_the_folder() {
        let drop = FileDrop::new(PathBuf::from("/drop"));
        let slip = Slip {
            key: DeliveryId(uuid::Uuid::nil()),
            participant: "../0208:1".to_owned(),
            number: "..\\..//etc".to_owned(),
        };
        let (folder, stem) = drop.place(&slip);
        assert_eq!(folder, Path::new("/drop/___0208_1"));
        assert_eq!(stem, "_______etc-00000000-0000-0000-0000-000000000000");
    }
}
