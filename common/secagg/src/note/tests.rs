//! Tests of the module above.

use super::*;

fn cosign(note: &mut Note, name: &str, witness: &SecretKey, seconds: u64) {
    let cosignature = note.unverified().cosign(witness, seconds);
    note.add(name, &witness.public(), &cosignature).unwrap();
}

fn note() -> (Note, SecretKey, SecretKey) {
    let (log, witness) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    let checkpoint = Checkpoint {
        origin: "example.org/study".into(),
        size: 7,
        root: Digest([5; 32]),
    };
    let mut note = Note::sign(checkpoint, "example.org/study", &log).unwrap();
    cosign(&mut note, "hospital", &witness, 1_800_000_000);
    (note, log, witness)
}

/// The example of golang.org/x/mod/sumdb/note.
#[test]
fn a_note_signed_elsewhere_verifies() {
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let key = from_base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let key = PublicKey(key[1..].try_into().unwrap());
    let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let line = from_base64(line).unwrap();
    assert_eq!(key_id("PeterNeumann", ED25519, &key), line[..4]);
    assert_eq!(
        key_id("PeterNeumann", ED25519, &key),
        [0xc7, 0x4f, 0x20, 0xa3]
    );
    key.verify_text(text.as_bytes(), &Signature(line[4..].try_into().unwrap()))
        .unwrap();
}

#[test]
fn a_checkpoint_and_its_witness_survive_the_text() {
    let (note, log, witness) = note();
    let text = note.to_string();
    assert!(text.starts_with(
        "example.org/study\n7\nBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=\n\n\u{2014} "
    ));
    let read: Note = text.parse().unwrap();
    assert_eq!(read, note);
    assert_eq!(Note::from_bytes(&note.to_bytes()).unwrap(), note);
    assert_eq!(
        read.verify("example.org/study", &log.public()).unwrap(),
        note.unverified()
    );
    assert_eq!(
        read.verify_cosignature("hospital", &witness.public()),
        Ok(1_800_000_000)
    );
    assert_eq!(
        read.verify("hospital", &witness.public()),
        Err(NoteError::Unsigned)
    );
    assert_eq!(
        read.verify_cosignature("example.org/study", &log.public()),
        Err(NoteError::Unsigned)
    );
    assert_eq!(
        read.verify("example.org/study", &witness.public()),
        Err(NoteError::Unsigned)
    );
}

#[test]
fn a_changed_checkpoint_or_time_is_refused() {
    let (note, log, witness) = note();
    let bad = Err(NoteError::BadSignature);
    let other: Note = note
        .to_string()
        .replacen("\n7\n", "\n8\n", 1)
        .parse()
        .unwrap();
    assert_eq!(
        other.verify("example.org/study", &log.public()).map(|_| ()),
        bad
    );
    assert_eq!(
        other
            .verify_cosignature("hospital", &witness.public())
            .map(|_| ()),
        bad
    );
    let mut late = note.clone();
    late.lines[1].bytes[7] ^= 1;
    assert_eq!(
        late.verify_cosignature("hospital", &witness.public())
            .map(|_| ()),
        bad
    );
    late.lines[0].bytes.pop();
    assert_eq!(
        late.verify("example.org/study", &log.public()).map(|_| ()),
        bad
    );
    assert_eq!(late.merge(&other), Err(NoteError::BadSignature));
}

#[test]
fn cosignatures_gather_once_per_witness() {
    let (mut note, _, witness) = note();
    let mut elsewhere = note.clone();
    cosign(&mut elsewhere, "hospital", &witness, 1_800_000_009);
    cosign(
        &mut elsewhere,
        "second",
        &SecretKey::from_seed([3; 32]),
        1_800_000_001,
    );
    note.merge(&elsewhere).unwrap();
    assert_eq!(note.lines.len(), 3);
    assert_eq!(
        note.verify_cosignature("hospital", &witness.public()),
        Ok(1_800_000_009)
    );
}

#[test]
fn one_checkpoint_has_one_text() {
    let text = note().0.to_string();
    let damages = [
        ("\n7\n", "\n07\n"),
        ("\n7\n", "\n+7\n"),
        ("\n7\n", "\n7\nextension\n"),
        ("\n7\n", "\n18446744073709551616\n"),
        ("BQU=", "BQV="),
        ("BQU=", "BQU"),
        ("example", "exa mple"),
        ("\u{2014} ", "- "),
        ("\n\n", "\n"),
    ];
    for (from, to) in damages {
        assert_eq!(
            text.replacen(from, to, 1).parse::<Note>(),
            Err(NoteError::Malformed),
            "{to:?}"
        );
    }
    assert!(text.trim_end().parse::<Note>().is_err());
    let checkpoint = note().0.checkpoint;
    for name in ["", "a b", "a+b", "a\nb"] {
        let refused = Note::sign(checkpoint.clone(), name, &SecretKey::from_seed([1; 32]));
        assert_eq!(refused, Err(NoteError::Name));
    }
}

#[test]
fn base64_as_in_rfc_4648() {
    let vectors = [
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
    ];
    for (length, text) in vectors.into_iter().enumerate() {
        assert_eq!(base64(&b"foobar"[..length]), text);
        assert_eq!(from_base64(text).unwrap(), &b"foobar"[..length]);
    }
    for bad in [
        "Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "====", "Z===", "Zm9v\n", "Zm-v",
    ] {
        assert!(from_base64(bad).is_none(), "{bad}");
    }
}
