//! How a command ends that did not do what it was asked. Exit codes, words and the JSON are an
//! interface: scripts rely on them.

use serde_json::{Value, json};

/// The three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Something broke.
    Failed,
    /// The command was given something it cannot use.
    Usage,
    /// A rule says no, under this stable code.
    Refused(&'static str),
}

impl End {
    /// The exit code of the process: 1 failed, 2 wrong usage, 3 refused; 0 is for what was done.
    pub fn exit(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused(_) => 3,
        }
    }

    /// The stable word for scripts: `failed`, `usage` or the refusal's code.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused(code) => code,
        }
    }

    /// The code of a refusal; nothing for a failure.
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Refused(code) => Some(code),
            Self::Failed | Self::Usage => None,
        }
    }

    /// What `--json` says instead of an answer, beside the facts that were found out all the same:
    /// what went wrong, and what to do next.
    #[must_use]
    pub fn json(self, facts: Value, what: &str, next: &str) -> Value {
        let mut value = facts;
        if let Some(fields) = value.as_object_mut() {
            let error = json!({
                "code": self.word(), "exit": self.exit(), "what": what, "next": next,
            });
            fields.insert("error".to_owned(), error);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_to_fail_have_three_exit_codes_and_one_shape() {
        let ways = [End::Failed, End::Usage, End::Refused("name_taken")];
        assert_eq!(ways.map(End::exit), [1, 2, 3]);
        assert_eq!(ways.map(End::word), ["failed", "usage", "name_taken"]);
        assert_eq!(ways.map(End::refusal), [None, None, Some("name_taken")]);
        let value = End::Refused("name_taken").json(json!({ "sites": 4 }), "site `lyon`", "go on");
        assert_eq!(
            value,
            json!({
                "sites": 4,
                "error": { "code": "name_taken", "exit": 3, "what": "site `lyon`", "next": "go on" },
            })
        );
    }
}
