//! Processes that the demo starts from its own program: a command that runs to its end, and a
//! daemon that is ended with the value that holds it, whatever becomes of the demo.

use crate::failure::{Done, Failure};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The words of a command line.
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$(std::ffi::OsString::from($word)),*] };
}
pub(super) use words;

/// Lines of a log that are shown when its process ended unexpectedly.
const TAIL: usize = 6;

/// A daemon. Dropping it ends the process.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    ended: bool,
}

impl Process {
    /// Starts this program with `args`; both of its outputs go to `log`.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn start(program: &Path, args: &[OsString], log: &Path) -> Done<Self> {
        let out = File::create(log).map_err(Failure::io("make", log))?;
        let err = out.try_clone().map_err(Failure::io("open", log))?;
        let child = command(program, args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(Failure::io("start", program))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            ended: false,
        })
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself; tells so once only.
    pub(crate) fn has_just_ended(&mut self) -> bool {
        let ended = self.is_over();
        !std::mem::replace(&mut self.ended, ended) && ended
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// The end of its log, for an error.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log.display();
        let text = match std::fs::read_to_string(&self.log) {
            Ok(text) => text,
            Err(error) => return format!("`{log}` cannot be read: {error}"),
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let mut tail: Vec<&str> = lines.rev().take(TAIL).collect();
        tail.reverse();
        format!("`{log}` ends with: {}", tail.join(" | "))
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        if !self.is_over() {
            // By its id and no other way: nothing but what this demo started is ever ended.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs this program with `args` to its end and gives what it printed. What it reads from standard
/// input is `secret`: a command line can be seen by every account of a machine.
///
/// # Errors
/// When it ends with another code than 0, with its own words.
pub(super) async fn run(program: &Path, args: Vec<OsString>, secret: &str) -> Done<String> {
    let mut command = command(program, &args);
    let shown = args
        .iter()
        .map(|arg| arg.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let secret = secret.to_owned();
    let work = move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A command that does not read has closed its end: what it says itself tells more.
            let _ = input.write_all(secret.as_bytes());
        }
        child.wait_with_output()
    };
    let output = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed(error.to_string(), ""))?
        .map_err(Failure::io("start", program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words
        .trim()
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" | ");
    Err(Failure::failed(
        format!("`motet {shown}` ended with {}: {words}", output.status),
        "the logs lie in the demo's folder, under consortium/",
    ))
}

fn command(program: &Path, args: &[OsString]) -> Command {
    let mut command = Command::new(program);
    // The demo's processes are told everything on their command line: no identity of the caller
    // reaches them.
    command
        .args(args)
        .env_remove("MOTET_IDENTITY")
        .env("NO_COLOR", "1");
    command
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ended_with_the_value_that_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process =
            Process::start(Path::new("/bin/sleep"), &[OsString::from("600")], &log).unwrap();
        assert!(!process.is_over() && !process.has_just_ended());
        process.stop();
        assert!(process.has_just_ended());
        assert!(!process.has_just_ended(), "it tells so once");
    }

    #[tokio::test]
    async fn a_command_that_fails_says_so_in_its_own_words() {
        let failure = run(Path::new("/bin/ls"), words!["/nowhere-at-all"], "")
            .await
            .unwrap_err();
        assert!(failure.to_string().contains("nowhere-at-all"), "{failure}");
        assert_eq!(
            run(Path::new("/bin/echo"), words!["a"], "").await.unwrap(),
            "a\n"
        );
        assert_eq!(
            run(Path::new("/bin/cat"), words![], "secret")
                .await
                .unwrap(),
            "secret"
        );
    }
}
