//! Room on a disk.

use std::path::Path;

/// Room left on the disk of this folder, in KiB, asked of the
/// system's own `df`; nothing where there is none.
pub(crate) fn free_kib(dir: &Path) -> Option<u64> {
    let output = std::process::Command::new("df")
        .arg("-Pk")
        .arg(dir)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// An amount of bytes for people, in whole KiB, MiB or tenths of
/// a GiB.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        _ => {
            let tenths = (bytes.div_ceil(1 << 20) * 10).div_ceil(1 << 10);
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_said_in_the_unit_in_which_it_is_read() {
        let said = [
            0,
            1,
            65_600,
            0x10_0000,
            3_000_000,
            0x4000_0000,
            3_400_000_000,
        ]
        .map(size);
        let wanted = [
            "0 KiB", "1 KiB", "65 KiB", "1 MiB", "3 MiB", "1.0 GiB", "3.2 GiB",
        ];
        assert_eq!(said, wanted);
    }
}
