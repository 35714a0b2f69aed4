//! Whom the server runs as: PostgreSQL refuses root, so root hands it to an account that may do nothing else.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::Command;

use super::ClusterError;

/// Accounts that root may run the server as, the fitting one first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account that owns the server's files and its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// Whether it is another one than ours, so that children have to change over.
    pub switch: bool,
}

impl Account {
    /// Chooses the account for the server's folder `base`, which may not exist yet.
    ///
    /// Without root it is ours. Root takes the one that owns the folder, else `postgres`, else `nobody`.
    pub fn choose(base: &Path) -> Result<Self, ClusterError> {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if uid != 0 {
            return Ok(Self { uid, gid, switch: false });
        }
        if let Ok(found) = fs::metadata(base)
            && found.uid() != 0
        {
            return Ok(Self { uid: found.uid(), gid: found.gid(), switch: true });
        }
        CANDIDATES
            .iter()
            .find_map(|name| Some(Self { uid: id("-u", name)?, gid: id("-g", name)?, switch: true }))
            .filter(|account| account.uid != 0)
            .ok_or(ClusterError::NoAccount)
    }

    /// Gives a folder and all in it to the account, when it is not its owner yet (a copy made by root).
    pub fn give(self, folder: &Path) -> io::Result<()> {
        if !self.switch || fs::symlink_metadata(folder)?.uid() == self.uid {
            return Ok(());
        }
        self.give_all(folder)
    }

    fn give_all(self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.give_all(&entry?.path())?;
            }
        }
        // Last and without following links: an interrupted walk is seen at the next start and done again.
        lchown(path, Some(self.uid), Some(self.gid))
    }
}

/// The name of the account that this program runs as, which the server sees behind the socket.
pub(super) fn own_name() -> Result<String, ClusterError> {
    run_id(&["-un"]).ok_or(ClusterError::NamelessUser { uid: rustix::process::geteuid().as_raw() })
}

fn id(which: &str, name: &str) -> Option<u32> {
    run_id(&[which, name])?.parse().ok()
}

/// Asks `id`, which also knows accounts that live in a directory service and not in `/etc/passwd`.
fn run_id(args: &[&str]) -> Option<String> {
    let output = Command::new("id").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|answer| !answer.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_never_runs_as_root() {
        let account = Account::choose(Path::new("/no/such/folder")).unwrap();
        assert_ne!(account.uid, 0);
        assert_eq!(account.switch, rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_copy_made_by_root_is_given_back_and_links_are_not_followed() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root can give files away.
        }
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        let base = folder.path().join("postgres");
        fs::create_dir_all(base.join("base")).unwrap();
        fs::write(base.join("base/1"), "x").unwrap();
        std::os::unix::fs::symlink(outside.path(), base.join("link")).unwrap();
        let account = Account::choose(&base).unwrap();
        account.give(&base).unwrap();
        for path in [base.clone(), base.join("base"), base.join("base/1")] {
            assert_eq!(fs::metadata(path).unwrap().uid(), account.uid);
        }
        assert_eq!(fs::metadata(outside.path()).unwrap().uid(), 0);
        assert_eq!(Account::choose(&base).unwrap(), account, "the owner of the folder stays");
    }
}
