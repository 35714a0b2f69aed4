//! Golden files: what the formats write, kept as files that programs of other people judge.
//!
//! The files live in `tests/conformance/samples`, so the documents the judges read there are the ones this code writes.

use std::path::Path;

/// Fails when `actual` is not the golden file `name`; leaves the new bytes in the temporary folder to be looked at.
pub(crate) fn assert_golden(name: &str, actual: &[u8]) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/samples").join(name);
    let expected = std::fs::read(&golden).unwrap_or_default();
    if expected == actual {
        return;
    }
    let new = std::env::temp_dir().join("umbel-golden").join(name);
    std::fs::create_dir_all(new.parent().unwrap()).unwrap();
    std::fs::write(&new, actual).unwrap();
    panic!("{} differs from what is written now; read {} and copy it if it is right", golden.display(), new.display());
}

/// Leaves a document to be looked at and judged, where `UMBEL_SAMPLES` names a folder.
pub(crate) fn keep_sample(name: &str, bytes: &[u8]) {
    let Some(folder) = std::env::var_os("UMBEL_SAMPLES") else { return };
    let file = Path::new(&folder).join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, bytes).unwrap();
}
