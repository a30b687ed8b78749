//! The consortium's ledger from outside: export it, recompute its chains.

use crate::args::{ExportLedger, Ledger, VerifyLedger};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, calling};
use crate::output::{Out, Table, count, shown};
use crate::{proof, recompute};
use motet_ledger::{Report, verify_export};
use motet_proto::v1;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write};
use std::path::Path;

/// `motet ledger ...`
///
/// # Errors
/// A ledger that does not hold together, a file that cannot be read or written.
pub async fn run(command: &Ledger) -> Done {
    match command {
        Ledger::Verify(args) => match &args.recompute {
            Some(run) => recompute::run(&args.read, run).await,
            None => verify(args).await,
        },
        Ledger::Export(args) => export(args).await,
        Ledger::Proof(args) => proof::write(args).await,
    }
}

async fn export(args: &ExportLedger) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let file = File::create_new(&args.file).map_err(Failure::io("make", &args.file))?;
    let mut writer = BufWriter::new(file);
    let bytes = match download(&mut desk, &mut writer, &args.file).await {
        Ok(bytes) => bytes,
        Err(failure) => {
            let _ = std::fs::remove_file(&args.file);
            return Err(failure);
        }
    };
    out.value(&json!({ "file": args.file, "bytes": bytes }));
    out.line(format!(
        "{bytes} bytes in `{}`; check them offline: motet ledger verify {}",
        args.file.display(),
        args.file.display()
    ));
    Ok(())
}

async fn download(desk: &mut Desk, writer: &mut impl Write, path: &Path) -> Done<u64> {
    let mut stream = desk.export_ledger(v1::ExportLedgerRequest {}).await?.into_inner();
    let mut bytes = 0;
    while let Some(part) = stream.message().await? {
        writer.write_all(&part.piece).map_err(Failure::io("write", path))?;
        bytes += part.piece.len() as u64;
    }
    writer.flush().map_err(Failure::io("write", path))?;
    Ok(bytes)
}

async fn verify(args: &VerifyLedger) -> Done {
    let report = match &args.file {
        Some(path) => {
            let file = File::open(path).map_err(Failure::io("read", path))?;
            verify_export(BufReader::new(file))?
        }
        None => {
            let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
            let path = std::env::temp_dir().join(format!("motet-export-{:016x}", rand::random::<u64>()));
            let mut file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(Failure::io("make", &path))?;
            // The open file outlives its name: nothing is left behind, whatever happens from here on.
            let removed = std::fs::remove_file(&path);
            download(&mut desk, &mut file, &path).await?;
            file.rewind().map_err(Failure::io("read", &path))?;
            let report = verify_export(BufReader::new(file));
            if removed.is_err() {
                let _ = std::fs::remove_file(&path);
            }
            report?
        }
    };
    conclude(Out::new(args.read.json), &report)
}

fn conclude(out: Out, report: &Report) -> Done {
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    let heads = report
        .heads
        .iter()
        .map(|head| json!({ "stream": head.stream, "version": head.version, "chain": head.chain.hex() }));
    let facts = json!({
        "sound": report.is_sound(), "entries": report.entries, "heads": heads.collect::<Vec<_>>(), "faults": faults,
    });
    let mut table = Table::new(&["stream", ">entries", "chain at its end"]);
    for head in &report.heads {
        table.row([head.stream.clone(), head.version.to_string(), head.chain.hex()]);
    }
    out.table(&table);
    let entries = format!("{} entries in {}", report.entries, count(report.heads.len(), "stream"));
    let Some(first) = faults.first() else {
        out.value(&facts);
        out.line(format!("{entries}: every entry follows from the one before it."));
        out.line("A chain cannot show that its last entries were cut off: compare its ends with those noted elsewhere.");
        return Ok(());
    };
    faults.iter().for_each(|fault| out.line(format!("  FAULT  {}", shown(fault))));
    let what = format!("{entries}, {}, the first: {first}", count(faults.len(), "fault"));
    let next = "export it again; if it stays so, keep both exports and tell every member";
    Err(Failure::failed(what, next).with_facts(facts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::to_hex;

    #[tokio::test]
    async fn an_export_that_was_changed_is_a_failure_that_names_the_place() {
        let ledger = motet_ledger::Ledger::memory();
        ledger.append_next("runs", b"one").await.unwrap();
        ledger.append_next("runs", b"two").await.unwrap();
        let mut bytes = Vec::new();
        ledger.export(&mut bytes).await.unwrap();
        let sound = verify_export(bytes.as_slice()).unwrap();
        assert!(conclude(Out::new(false), &sound).is_ok());
        let changed = String::from_utf8(bytes).unwrap().replace(&to_hex(b"two"), &to_hex(b"owt"));
        let failure = conclude(Out::new(false), &verify_export(changed.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().contains("entry `2` of stream `runs`"), "{failure}");
    }
}
