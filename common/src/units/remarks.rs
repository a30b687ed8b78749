//! Remarks of units: what stands in braces. No law converts
//! them, so two units are one only where they do not
//! contradict each other.

/// What a share of one is remarked as.
const SHARES: [&str; 3] = ["fraction", "proportion", "share"];

/// A remark of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// As it was written, with its braces.
    pub(super) written: String,
    /// Whether a number changes with it: `mL/min/{1.73_m2}` is
    /// for each 1.73 m2 of a body.
    divides: bool,
}

impl Remark {
    /// Without braces, however words are parted and whatever
    /// their case.
    fn plain(&self) -> String {
        self.written
            .to_lowercase()
            .replace(['{', '}', '_', ' '], "")
    }
}

/// The remarks of a text that is a unit, in their order.
pub(super) fn remarks(code: &str) -> Vec<Remark> {
    let mut all = Vec::new();
    let mut before = String::new();
    for piece in code.split_inclusive('}') {
        if let Some((head, remark)) = piece.split_once('{') {
            before.push_str(head);
            let is_divisor = before.trim_end_matches('(').ends_with('/');
            let is_number = remark.starts_with(|sign: char| sign.is_ascii_digit());
            all.push(Remark {
                written: format!("{{{remark}"),
                divides: is_divisor || is_number,
            });
        }
        before.push('}');
    }
    all.retain(|remark| !remark.plain().is_empty());
    all
}

fn plain(remarks: &[Remark]) -> Vec<String> {
    let mut plain: Vec<String> = remarks.iter().map(Remark::plain).collect();
    plain.sort_unstable();
    plain
}

/// Whether both say the same, and say anything.
pub(super) fn are_same(own: &[Remark], other: &[Remark]) -> bool {
    !own.is_empty() && plain(own) == plain(other)
}

/// Whether units with these remarks may be one: the same
/// remarks, or none on one side and on the other none that
/// changes a number.
pub(super) fn agree(own: &[Remark], other: &[Remark]) -> bool {
    match (own, other) {
        ([], some) | (some, []) => !some.iter().any(|remark| remark.divides),
        _ => are_same(own, other),
    }
}

/// Whether they say that one is a whole.
pub(super) fn is_share(remarks: &[Remark]) -> bool {
    plain(remarks)
        .iter()
        .any(|remark| SHARES.contains(&remark.as_str()))
}
