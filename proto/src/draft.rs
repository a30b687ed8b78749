//! The folder of a newcomer before it is whole: it lies beside the folder it will become, under a
//! name that follows from the invitation, so that joining again with the same code goes on with the
//! keys made before. An answer of the coordinator may be lost after the invitation was spent, and
//! nobody but the holder of those keys gets it again. So no answer removes a draft either: whoever
//! poses as the coordinator could have the only copy of enrolled keys destroyed.

use motet_secagg::digest::Digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is not yet what it will be.
pub struct Draft {
    path: PathBuf,
    goal: PathBuf,
}

impl Draft {
    /// Makes the draft of `goal` for this invitation, or takes up the one that an earlier try left.
    /// Only its owner can enter it.
    ///
    /// # Errors
    /// When `goal` has no name, or the system refuses.
    pub fn beside(goal: &Path, invite: &[u8; 16]) -> io::Result<Self> {
        let goal = std::path::absolute(goal)?;
        let nameless = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "this folder has no name of its own",
            )
        };
        let name = goal.file_name().ok_or_else(nameless)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        // Not the id itself: a folder's name is seen by more people than may know which invitation
        // is open.
        hidden.push(format!(
            ".{}.joining",
            Digest::of("draft", &[invite]).short()
        ));
        let path = goal.with_file_name(hidden);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self { path, goal })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder its name. An empty folder of that name gives way; anything in it stands.
    ///
    /// # Errors
    /// When the system refuses, as for a folder that holds something; the draft stays.
    pub fn keep(self) -> io::Result<()> {
        if self.goal.is_dir() {
            fs::remove_dir(&self.goal)?;
        }
        fs::rename(&self.path, &self.goal)
    }

    /// Where the keys of a newcomer who was refused lie, and when they may go.
    pub fn kept(&self) -> String {
        let path = self.path.display();
        format!(
            "the keys made here are kept in `{path}`: remove it once the \
             operator says that nobody joined with them"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_found_again_by_its_invitation_and_becomes_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let goal = folder.path().join("lyon");
        let draft = Draft::beside(&goal, &[1; 16]).unwrap();
        fs::write(draft.path().join("key"), "k").unwrap();
        drop(draft);
        let other = Draft::beside(&goal, &[2; 16]).unwrap();
        assert_eq!(
            fs::read_dir(other.path()).unwrap().count(),
            0,
            "another invitation has other keys"
        );
        assert!(
            !other.path().to_string_lossy().contains("0202"),
            "the invitation's id is not shown"
        );
        fs::remove_dir(other.path()).unwrap();
        let again = Draft::beside(&goal, &[1; 16]).unwrap();
        assert_eq!(fs::read_to_string(again.path().join("key")).unwrap(), "k");
        fs::create_dir(&goal).unwrap();
        again.keep().unwrap();
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["lyon"]);
        let late = Draft::beside(&goal, &[3; 16]).unwrap();
        assert!(late.keep().is_err(), "what is there stands");
        assert_eq!(fs::read_to_string(goal.join("key")).unwrap(), "k");
    }
}
