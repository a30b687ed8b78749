//! Workbooks made by hand: parts of XML in a zip file.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

/// A part of a zip file: its name, what it holds, and the length that it declares.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) declared: Option<u32>,
}

impl Part {
    pub(crate) fn new(name: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.to_owned(),
            content: content.into(),
            declared: None,
        }
    }
}

/// A zip file of these parts, each packed.
pub(crate) fn zipped(parts: &[Part]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut list = Vec::new();
    for part in parts {
        let mut crc = flate2::Crc::new();
        crc.update(&part.content);
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&part.content).unwrap();
        let packed = packer.finish().unwrap();
        let at = file.len() as u32;
        let mut common = [20_u16, 0, 8, 0, 0].map(u16::to_le_bytes).concat();
        let size = part.declared.unwrap_or(part.content.len() as u32);
        for field in [crc.sum(), packed.len() as u32, size] {
            common.extend(field.to_le_bytes());
        }
        common.extend((part.name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        file.extend(b"PK\x03\x04");
        file.extend(&common);
        file.extend(part.name.as_bytes());
        file.extend(&packed);
        list.extend(b"PK\x01\x02\x14\0");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend(at.to_le_bytes());
        list.extend(part.name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&list);
    file.extend(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        file.extend((parts.len() as u16).to_le_bytes());
    }
    file.extend((list.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend(0_u16.to_le_bytes());
    file
}

/// The parts of a workbook with these sheets: name, what its tag says besides, and what stands in
/// its part.
pub(crate) fn parts(sheets: &[(&str, &str, String)], texts: &str, workbook: &str) -> Vec<Part> {
    let rels =
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">";
    let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let mut list = String::new();
    let mut links = String::new();
    let mut parts = Vec::new();
    for (at, (name, beside, content)) in sheets.iter().enumerate() {
        write!(
            list,
            "<sheet name=\"{name}\" sheetId=\"{at}\" r:id=\"r{at}\" {beside}/>"
        )
        .unwrap();
        write!(links, "<Relationship Id=\"r{at}\" Type=\"{kind}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>").unwrap();
        parts.push(Part::new(
            &format!("xl/worksheets/sheet{at}.xml"),
            content.as_str(),
        ));
    }
    parts.extend([
        Part::new("[Content_Types].xml", "<Types/>"),
        Part::new(
            "_rels/.rels",
            format!("{rels}<Relationship Id=\"a\" Type=\"{kind}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
        ),
        Part::new("xl/workbook.xml", format!("<workbook>{workbook}<sheets>{list}</sheets></workbook>")),
        Part::new(
            "xl/_rels/workbook.xml.rels",
            format!(
                "{rels}{links}<Relationship Id=\"t\" Type=\"{kind}/sharedStrings\" Target=\"/xl/sharedStrings.xml\"/>\
                 <Relationship Id=\"s\" Type=\"{kind}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        Part::new("xl/sharedStrings.xml", format!("<sst>{texts}</sst>")),
        Part::new(
            "xl/styles.xml",
            "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"dd\\/mm\\/yyyy\"/></numFmts>\
             <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>\
             <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>",
        ),
    ]);
    parts
}

/// A part with these rows of cells.
pub(crate) fn sheet(rows: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<worksheet><sheetData>{rows}</sheetData></worksheet>")
}

/// A workbook of one sheet.
pub(crate) fn book(rows: &str) -> Vec<u8> {
    zipped(&parts(&[("Patients", "", sheet(rows))], "", ""))
}

/// The rows of a table as Excel would have them: numbers as numbers, days as numbers with a
/// format, all else as texts.
pub(crate) fn rows(table: &str) -> String {
    let mut rows = String::new();
    for (row, line) in table.lines().enumerate() {
        write!(rows, "<row r=\"{}\">", row + 1).unwrap();
        for (column, cell) in line.split(',').enumerate() {
            let address = format!("{}{}", char::from(b'A' + column as u8), row + 1);
            let cell = match (cell.parse::<f64>(), serial(cell)) {
                _ if cell.is_empty() => format!("<c r=\"{address}\" s=\"1\"/>"),
                (Ok(number), _) if number.is_finite() => {
                    format!("<c r=\"{address}\"><v>{number:?}</v></c>")
                }
                (_, Some(day)) => format!("<c r=\"{address}\" s=\"1\"><v>{day}.25</v></c>"),
                _ => format!("<c r=\"{address}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>"),
            };
            rows += &cell;
        }
        rows += "</row>";
    }
    rows
}

/// The number of a day as Excel counts.
fn serial(text: &str) -> Option<i64> {
    let days = motet_recipes::filter::days_since_1970(text)?;
    Some(days as i64 + 25_569)
}
