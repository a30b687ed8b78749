//! A file of keys while it is read: what it says, or its first mistake with file, line, what is
//! wrong and what to write instead, in the same words whichever file it is. Pure: the caller reads
//! the file and passes its text.
//!
//! ```text
//! plain      letters that show as what they are        words    what a message is made of
//! refused    what TOML refused, in our own words       file     a file, its checks, and a mistake in it
//! keys       a table of which others name the keys: what nobody took is refused
//! ```
//!
//! A struct says which keys a file may have:
//!
//! ```
//! use motet_toml::TomlFile;
//! use serde::Deserialize;
//! use toml::Spanned;
//!
//! #[derive(Debug, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Limits {
//!     min_rows: Option<Spanned<u32>>,
//! }
//!
//! let file = TomlFile::new("node.toml", "# what this site allows\nmin_rwos = 20\n");
//! let mistake = file.read::<Limits>().unwrap_err();
//! assert_eq!(
//!     mistake.to_string(),
//!     "node.toml, line 2: unknown key `min_rwos`; did you mean `min_rows`? correct or remove it"
//! );
//!
//! let file = TomlFile::new("node.toml", "# what this site allows\nmin_rows = 2\n");
//! let limits: Limits = file.read().unwrap();
//! let mistake = file.whole(&limits.min_rows, "min_rows", 10, 10..=1000).unwrap_err();
//! println!("{mistake}");
//! assert_eq!(
//!     mistake.to_string(),
//!     "node.toml, line 2: `min_rows` is `2`; write 10 to 1000"
//! );
//! ```
#![warn(missing_docs)]

mod file;
mod keys;
mod plain;
mod refused;
mod words;

pub use file::{Checked, Mistake, TomlFile};
pub use keys::{Keys, Table, float};
pub use plain::{cleaned, is_plain};
