//! The order in which columns can be made: each after those that
//! it is made of.

use std::collections::{BTreeMap, BTreeSet};

/// These columns and all that they are made of, each after its
/// own; `inputs` says of each column what it is made of. Names
/// that are not in there are left out.
///
/// # Errors
/// The names in a circle, the first one again at the end.
pub(crate) fn order<'s>(
    inputs: &BTreeMap<&'s str, Vec<&'s str>>,
    wanted: impl IntoIterator<Item = &'s str>,
) -> Result<Vec<&'s str>, Vec<&'s str>> {
    let mut open: BTreeMap<&str, &[&str]> = BTreeMap::new();
    let mut next: Vec<&str> = wanted.into_iter().collect();
    while let Some(name) = next.pop() {
        if let Some(inputs) = inputs.get(name).filter(|_| !open.contains_key(name)) {
            next.extend(inputs);
            open.insert(name, inputs);
        }
    }
    let mut made = Vec::with_capacity(open.len());
    let mut done = BTreeSet::new();
    while !open.is_empty() {
        let ready: Vec<&str> = open
            .iter()
            .filter(|(_, inputs)| inputs.iter().all(|name| done.contains(name)))
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            return Err(circle(&open));
        }
        for name in ready {
            open.remove(name);
            done.insert(name);
            made.push(name);
        }
    }
    Ok(made)
}

/// A circle among columns each of which waits for another.
fn circle<'s>(open: &BTreeMap<&'s str, &[&'s str]>) -> Vec<&'s str> {
    let mut way: Vec<&str> = Vec::new();
    let mut at = open.keys().next().copied();
    while let Some(name) = at {
        if let Some(first) = way.iter().position(|seen| *seen == name) {
            let mut circle = way.split_off(first);
            circle.push(name);
            return circle;
        }
        way.push(name);
        let mut inputs = open.get(name).into_iter().copied().flatten().copied();
        at = inputs.find(|input| open.contains_key(input));
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_is_made_of_comes_before_it_and_a_circle_is_named() {
        let of = |pairs: &[(&'static str, &[&'static str])]| {
            pairs
                .iter()
                .map(|(name, inputs)| (*name, inputs.to_vec()))
                .collect::<BTreeMap<_, _>>()
        };
        let inputs = of(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[]), ("d", &[])]);
        assert_eq!(order(&inputs, ["a"]), Ok(vec!["c", "b", "a"]));
        assert_eq!(order(&inputs, ["d", "x"]), Ok(vec!["d"]));
        let circle = of(&[("a", &["b"]), ("b", &["c"]), ("c", &["b", "d"]), ("d", &[])]);
        assert_eq!(order(&circle, ["a"]), Err(vec!["b", "c", "b"]));
        assert_eq!(order(&of(&[("a", &["a"])]), ["a"]), Err(vec!["a", "a"]));
    }
}
