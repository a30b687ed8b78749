//! A cohort as bytes, in one way only: what a site keeps of it,
//! and the digest of its content.
//!
//! ```text
//! length of the head | head: columns (role, name, type, levels), rows | values | number of pseudonyms | pseudonyms
//! ```
//! Values are 64-bit floats, little-endian, bit for bit: `x`
//! row by row, then each column beside it, then what divides
//! the patients, row by row. Marks of patients are no content:
//! they depend on a secret of the site. The bytes hold
//! patients' values in the clear; whoever writes them seals
//! them.

use super::Cohort;
use super::column::{Role, Told};
use super::parts::are_in_order;
use crate::table::Pseudonym;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use ndarray::{Array1, Array2};
use std::io::{self, Error, ErrorKind, Read, Write};
use zeroize::Zeroizing;

/// Values that are hashed, written or read at once.
const BLOCK: usize = 8192;

/// Bytes of a value.
const VALUE: usize = 8;

/// Bytes of the lengths and of what the head says beside its
/// columns: more than they are.
const HEAD_BESIDE: usize = 64;

/// The longest head, in bytes: names and levels of all the
/// columns that a study may have.
const MOST_HEAD: usize = 16 << 20;

/// What stands in the place of a pseudonym where a row has
/// none.
const NO_PSEUDONYM: Pseudonym = [0; 16];

canonical! {
    /// What the values are.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Head {
        /// The columns, in the order of their values.
        columns: Vec<Told>,
        /// Patients.
        rows: u64,
        /// Whether the finished model is judged, be it by no group.
        judged: bool,
    }
}

/// SHA-256 over what is written, block by block.
struct Hashed {
    chain: Digest,
    block: Zeroizing<Vec<u8>>,
}

impl Hashed {
    fn new() -> Self {
        Self {
            chain: Digest::of("cohort", &[]),
            block: Zeroizing::new(Vec::with_capacity(BLOCK * VALUE)),
        }
    }

    fn take_in(&mut self) {
        self.chain = Digest::of("cohort block", &[&self.chain.0, &self.block]);
        self.block.clear();
    }

    fn end(mut self) -> Digest {
        self.take_in();
        self.chain
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK * VALUE - self.block.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK * VALUE {
            self.take_in();
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Cohort {
    /// The digest of columns, types, levels and values, in their
    /// order, and of nothing else: the same patients read from
    /// another file, in another dialect, give the same.
    pub fn content(&self) -> Digest {
        let mut hashed = Hashed::new();
        let written = self.write_content(&mut hashed);
        debug_assert!(written.is_ok(), "a digest takes all that it is given");
        hashed.end()
    }

    /// Writes all that an answer needs, and the pseudonyms of the
    /// patients.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_content(out)?;
        out.write_all(&(self.pseudonyms.len() as u64).to_le_bytes())?;
        for pseudonym in &self.pseudonyms {
            out.write_all(&[u8::from(pseudonym.is_some())])?;
            out.write_all(pseudonym.as_ref().unwrap_or(&NO_PSEUDONYM))?;
        }
        Ok(())
    }

    fn write_content(&self, out: &mut impl Write) -> io::Result<()> {
        let head = Head {
            columns: self.columns.clone(),
            rows: self.used,
            judged: self.groups.is_some(),
        };
        let head = head.to_bytes();
        out.write_all(&(head.len() as u64).to_le_bytes())?;
        out.write_all(&head)?;
        let beside = [
            &self.y,
            &self.time,
            &self.group,
            &self.offset,
            &self.weight,
            &self.held_out,
        ];
        let values = self.x.iter();
        let values = values.chain(beside.into_iter().flatten().flatten());
        let mut values = values.chain(self.groups.iter().flatten());
        let mut block = Zeroizing::new(Vec::with_capacity(BLOCK * VALUE));
        loop {
            block.clear();
            values
                .by_ref()
                .take(BLOCK)
                .for_each(|value| block.extend_from_slice(&value.to_le_bytes()));
            if block.is_empty() {
                return Ok(());
            }
            out.write_all(&block)?;
        }
    }

    /// About as many bytes as [`Cohort::write_to`] writes: never
    /// fewer.
    pub fn written_bytes(&self) -> u64 {
        let beside = [&self.y, &self.time, &self.group, &self.offset, &self.weight];
        let beside: usize = beside.into_iter().flatten().map(Array1::len).sum();
        let groups = self.groups.as_ref().map_or(0, Array2::len);
        let values = (self.x.len() + beside + groups) * VALUE;
        let pseudonyms = self.pseudonyms.len() * (1 + size_of::<Pseudonym>());
        let head = self.columns.to_bytes().len() + HEAD_BESIDE;
        (values + pseudonyms + head) as u64
    }

    /// The number of patients in what [`Cohort::write_to`] wrote:
    /// no more of it is read than its head.
    ///
    /// # Errors
    /// As [`Cohort::read_from`].
    pub fn patients_in(input: &mut impl Read) -> io::Result<u64> {
        read_head(input).map(|head| head.rows)
    }

    /// Reads what [`Cohort::write_to`] wrote. Why rows were left
    /// out is not in it.
    ///
    /// # Errors
    /// Those of `input`; `InvalidData` for what is no cohort.
    pub fn read_from(input: &mut impl Read) -> io::Result<Self> {
        let Head {
            columns,
            rows,
            judged,
        } = read_head(input)?;
        let count = size(rows)?;
        let width = |role: Role| -> usize {
            let of_role = columns.iter().filter(|column| column.role() == Some(role));
            of_role.map(Told::width).sum()
        };
        let x = matrix(input, count, width(Role::Feature))?;
        let mut beside = Vec::with_capacity(Role::BESIDE.len());
        for role in Role::BESIDE {
            beside.push(match width(role) {
                0 => None,
                1 => Some(Array1::from_vec(values(input, count)?)),
                _ => return Err(unsound()),
            });
        }
        let [y, time, group, offset, weight, held_out]: [Option<Array1<f64>>; 6] =
            beside.try_into().map_err(|_| unsound())?;
        if !held_out.as_ref().is_none_or(are_in_order) {
            return Err(unsound());
        }
        let groups = match judged {
            true => Some(matrix(input, count, width(Role::Judged))?),
            false => None,
        };
        let pseudonyms = pseudonyms(input, count)?;
        Ok(Self {
            columns,
            pseudonyms,
            x,
            y,
            time,
            group,
            offset,
            weight,
            held_out,
            groups,
            used: rows,
            left_out: 0,
            missing: Vec::new(),
            filtered: 0,
            undecided: 0,
            repeated: 0,
        })
    }
}

fn read_head(input: &mut impl Read) -> io::Result<Head> {
    let length = size(number(input)?)?;
    if length > MOST_HEAD {
        return Err(unsound());
    }
    let mut head = vec![0; length];
    input.read_exact(&mut head)?;
    Head::from_bytes(&head).map_err(|_| unsound())
}

fn unsound() -> Error {
    Error::new(ErrorKind::InvalidData, "it is no cohort of this version")
}

fn size(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| unsound())
}

fn number(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; VALUE];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// That many values. Room is made as they come: a number that
/// is wrong takes no memory.
fn values(input: &mut impl Read, count: usize) -> io::Result<Vec<f64>> {
    let mut values = Vec::with_capacity(count.min(BLOCK));
    let mut block = Zeroizing::new(vec![0; BLOCK * VALUE]);
    while values.len() < count {
        let next = (count - values.len()).min(BLOCK);
        let bytes = block.get_mut(..next * VALUE).ok_or_else(unsound)?;
        input.read_exact(bytes)?;
        let (chunks, _) = bytes.as_chunks::<VALUE>();
        values.extend(chunks.iter().map(|bytes| f64::from_le_bytes(*bytes)));
    }
    Ok(values)
}

fn matrix(input: &mut impl Read, rows: usize, width: usize) -> io::Result<Array2<f64>> {
    let count = rows.checked_mul(width).ok_or_else(unsound)?;
    Array2::from_shape_vec((rows, width), values(input, count)?).map_err(|_| unsound())
}

/// The pseudonyms of the patients: none, or one a row.
fn pseudonyms(input: &mut impl Read, rows: usize) -> io::Result<Vec<Option<Pseudonym>>> {
    let count = size(number(input)?)?;
    if count != 0 && count != rows {
        return Err(unsound());
    }
    let mut pseudonyms = Vec::new();
    for _ in 0..count {
        let mut is_there = [0];
        let mut pseudonym = NO_PSEUDONYM;
        input.read_exact(&mut is_there)?;
        input.read_exact(&mut pseudonym)?;
        pseudonyms.push((is_there != [0]).then_some(pseudonym));
    }
    Ok(pseudonyms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(role: Role, name: &str, levels: &[&str]) -> Told {
        let levels: Vec<String> = levels.iter().map(|&level| level.to_owned()).collect();
        let kind = if levels.is_empty() {
            "float"
        } else {
            "category"
        };
        Told::new(role, name, kind, levels)
    }

    /// Three patients: a number, a category of three levels, an
    /// outcome and a group.
    fn cohort() -> Cohort {
        let x = vec![1.5, 0.0, 1.0, -0.0, 1.0, 0.0, f64::NAN, 0.0, 0.0];
        Cohort {
            columns: vec![
                told(Role::Feature, "age", &[]),
                told(Role::Feature, "kind", &["a", "b", "c"]),
                told(Role::Outcome, "died", &[]),
                told(Role::Judged, "sex", &["f", "m"]),
            ],
            pseudonyms: vec![Some([1; 16]), Some([2; 16]), None],
            x: Array2::from_shape_vec((3, 3), x).unwrap(),
            y: Some(Array1::from_vec(vec![0.0, 1.0, 1.0])),
            time: None,
            group: None,
            offset: None,
            weight: None,
            held_out: None,
            groups: Some(Array2::from_shape_vec((3, 1), vec![0.0, 1.0, f64::NAN]).unwrap()),
            used: 3,
            left_out: 0,
            missing: Vec::new(),
            filtered: 0,
            undecided: 0,
            repeated: 0,
        }
    }

    fn bytes(cohort: &Cohort) -> Vec<u8> {
        let mut bytes = Vec::new();
        cohort.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_cohort_comes_back_bit_for_bit_and_from_no_part_of_its_bytes() {
        let before = cohort();
        let bytes = bytes(&before);
        let after = Cohort::read_from(&mut &bytes[..]).unwrap();
        let bits = |cohort: &Cohort| -> Vec<u64> {
            let all = cohort.x.iter().chain(cohort.y.iter().flatten());
            let all = all.chain(cohort.groups.iter().flatten());
            all.map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(&after), bits(&before));
        assert_eq!(
            (&after.columns, &after.pseudonyms, after.used, after.x.dim()),
            (&before.columns, &before.pseudonyms, 3, (3, 3))
        );
        assert_eq!(after.content(), before.content());
        for cut in 0..bytes.len() {
            assert!(Cohort::read_from(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        // No byte brings a reader down.
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut other = bytes.clone();
                other[at] ^= flip;
                let _ = Cohort::read_from(&mut &other[..]);
            }
        }
        // A head that promises the earth.
        let mut absurd = bytes.clone();
        absurd[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Cohort::read_from(&mut &absurd[..]).is_err());
    }

    #[test]
    fn the_content_is_columns_types_levels_and_bits_in_their_order_and_not_whose_rows_they_are() {
        let content = cohort().content();
        let with = |change: &dyn Fn(&mut Cohort)| {
            let mut other = cohort();
            change(&mut other);
            other.content()
        };
        assert_eq!(with(&|c| c.pseudonyms = Vec::new()), content);
        assert_eq!(with(&|c| c.left_out = 7), content);
        for change in [
            &(|c: &mut Cohort| c.x[[0, 0]] = 1.500_000_000_000_000_2) as &dyn Fn(&mut Cohort),
            &|c| c.x[[1, 0]] = 0.0,
            &|c| c.x.swap([0, 0], [1, 0]),
            &|c| c.y = None,
            &|c| c.columns[0] = told(Role::Feature, "years", &[]),
            &|c| c.columns[0] = Told::new(Role::Feature, "age", "int", Vec::new()),
            &|c| c.columns[1] = told(Role::Feature, "kind", &["a", "c", "b"]),
            &|c| c.columns[2] = told(Role::Time, "died", &[]),
            &|c| c.groups = None,
            &|c| c.held_out = Some(Array1::from_vec(vec![0.0, 0.0, 1.0])),
        ] {
            assert_ne!(with(change), content);
        }
    }

    #[test]
    fn the_last_value_of_more_than_a_block_counts() {
        let long = |last: f64| {
            let mut x = vec![0.5; 3 * BLOCK];
            *x.last_mut().unwrap() = last;
            Cohort {
                columns: vec![told(Role::Feature, "x", &[])],
                pseudonyms: Vec::new(),
                x: Array2::from_shape_vec((3 * BLOCK, 1), x).unwrap(),
                y: None,
                groups: None,
                used: 3 * BLOCK as u64,
                ..cohort()
            }
        };
        assert_ne!(long(0.5).content(), long(0.25).content());
        let bytes = bytes(&long(0.25));
        let back = Cohort::read_from(&mut &bytes[..]).unwrap();
        assert_eq!(back.content(), long(0.25).content());
    }
}
