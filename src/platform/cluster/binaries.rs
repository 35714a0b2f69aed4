//! Finding the installed PostgreSQL server programs.

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;

/// The oldest major version that we run: the first one with `security_invoker` views, which keep row-level
/// security in force behind a view.
pub(super) const OLDEST: u32 = 15;

/// Folders that hold one folder per version, and where in it the programs are.
const VERSIONED: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // Red Hat, packages of the PostgreSQL project
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // macOS, Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // macOS, Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/usr/local", "pgsql", "bin"), // built from source
];

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub folder: PathBuf,
    pub major: u32,
}

/// Finds the programs for a folder made by version `made_by`, or for a new one the newest.
///
/// Refuses with the package to install when there is none, when all are too old, and when the folder needs a
/// version that is not there: PostgreSQL cannot read the files of another major version.
pub(super) fn find(made_by: Option<u32>) -> Result<Binaries, ClusterError> {
    choose(installed(), made_by)
}

fn choose(mut found: Vec<Binaries>, made_by: Option<u32>) -> Result<Binaries, ClusterError> {
    if let Some(major) = made_by {
        return found.into_iter().find(|one| one.major == major).ok_or(ClusterError::OtherVersion { major });
    }
    // A stable sort: of two installations of one version, the one on PATH stays first.
    found.sort_by_key(|one| std::cmp::Reverse(one.major));
    match found.into_iter().next() {
        Some(newest) if newest.major >= OLDEST => Ok(newest),
        Some(newest) => Err(ClusterError::TooOld { major: newest.major }),
        None => Err(ClusterError::NoServer),
    }
}

fn installed() -> Vec<Binaries> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    for (parent, prefix, inner) in VERSIONED {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join(inner));
            }
        }
    }
    folders.push(PathBuf::from("/opt/homebrew/bin"));
    folders.push(PathBuf::from("/usr/local/bin"));
    let mut seen = HashSet::new();
    folders
        .into_iter()
        .filter(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        // What is on PATH is often a link: the server looks for its own files beside the real one.
        .map(|folder| real_folder(&folder).unwrap_or(folder))
        .filter(|folder| seen.insert(folder.clone()))
        .filter_map(|folder| Some(Binaries { major: version_of(&folder)?, folder }))
        .collect()
}

fn real_folder(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("postgres").canonicalize().ok()?;
    program.parent().filter(|real| real.join("initdb").is_file()).map(Path::to_owned)
}

fn version_of(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// Reads the major version of `postgres (PostgreSQL) 17.2 (Debian 17.2-1)` or `17beta1`.
fn parse_version(answer: &str) -> Option<u32> {
    let number = answer.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(majors: &[u32]) -> Vec<Binaries> {
        majors.iter().map(|&major| Binaries { folder: PathBuf::from(format!("/pg/{major}")), major }).collect()
    }

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_version("postgres: command not found"), None);
    }

    #[test]
    fn a_new_folder_gets_the_newest_and_an_old_one_its_own() {
        assert_eq!(choose(of(&[15, 17, 16]), None).unwrap().major, 17);
        assert_eq!(choose(of(&[15, 17, 16]), Some(15)).unwrap().major, 15);
    }

    #[test]
    fn what_is_missing_is_said_with_the_package_to_install() {
        let say = |found: &[u32], made_by| choose(of(found), made_by).unwrap_err().to_string();
        assert!(say(&[], None).contains("apt-get install postgresql"));
        assert!(say(&[13], None).contains("13"));
        assert!(say(&[17], Some(15)).contains("postgresql-15"));
        for text in [say(&[], None), say(&[13], None), say(&[17], Some(15))] {
            assert!(!text.contains('\n'), "one line: {text}");
        }
    }
}
