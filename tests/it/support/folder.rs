//! A folder that is removed with its last owner.

#![expect(clippy::disallowed_methods, reason = "a test plays the runner, whose files these are")]

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

/// A folder as the runner prepares it: a workspace, and the files of a step beside it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Arc<Self> {
        let folder = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        std::fs::create_dir(folder.0.path().join("workspace")).unwrap();
        Arc::new(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// A file's text; empty if there is no file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
    }

    /// Every file below it.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.0.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() || path.is_file() {
                    files.push(path);
                } else {
                    folders.push(path);
                }
            }
        }
        files
    }
}
