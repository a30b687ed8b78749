//! Digests and commitments, derived seeds, mask streams, shares.

use crate::{Known, array, hex, number, outcome, text, unhex};
use motet_secagg::digest::Digest;
use motet_secagg::fold::set_digest;
use motet_secagg::id::NodeId;
use motet_secagg::mask::{chunk_hash, upload_root};
use motet_secagg::pair::{Kind, PairError, PairKeys, PairPublic};
use motet_secagg::pair::{ciphertext_digest, commit, commit_share, self_seed};
use motet_secagg::prg::keystream;
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::shamir::{Share, combine, split};
use motet_secagg::sign::PublicKey;
use serde_json::{Value, json};

fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(unhex).collect()
}

fn kind(takes: &Value) -> Kind {
    if takes["kind"] == "pair" {
        Kind::Pair
    } else {
        Kind::Own
    }
}

pub(crate) fn digest(takes: &Value) -> Value {
    let of = |name: &str| Digest(array(&takes[name]));
    let node = |name: &str| NodeId(array(&takes[name]));
    let digest = match takes["what"].as_str().unwrap() {
        "tagged" => {
            let fields = list(&takes["fields"]);
            Digest::of(
                &text(&takes["tag"]),
                &fields.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            )
        }
        "commitment to a secret" => commit(
            kind(takes),
            &of("plan"),
            node("node"),
            &Secret::new(array(&takes["secret"])),
        ),
        "commitment to a share" => {
            let share = Share::copied(&array(&takes["share"]));
            let (dealer, holder, x) = (node("dealer"), node("holder"), number(&takes["x"]));
            commit_share(kind(takes), &of("t1"), dealer, holder, x, &share)
        }
        "ciphertext" => ciphertext_digest(&unhex(&takes["bytes"])),
        "chunk" => chunk_hash(&unhex(&takes["payload"])),
        "upload" => upload_root(
            &list(&takes["payloads"])
                .iter()
                .map(|one| chunk_hash(one))
                .collect::<Vec<_>>(),
        ),
        "set" => {
            let sites = takes["sites"].as_array().unwrap();
            set_digest(
                &sites
                    .iter()
                    .map(|site| NodeId(array(site)))
                    .collect::<Vec<_>>(),
            )
        }
        "key" => PublicKey(array(&takes["key"])).fingerprint(),
        other => panic!("no digest {other}"),
    };
    json!({ "digest": digest.hex() })
}

fn keys(secret: &Value) -> PairKeys {
    PairKeys::derive(&Secret::new(array(secret)))
}

/// Long values stand as their SHA-256.
pub(crate) fn seed(takes: &Value) -> Value {
    let t2 = Digest(array(&takes["t2"]));
    if let Some(b) = takes.get("b") {
        return json!({ "seed": hex(self_seed(&Secret::new(array(b)), &t2).expose()) });
    }
    let (lower, upper) = (
        NodeId(array(&takes["lower"])),
        NodeId(array(&takes["upper"])),
    );
    let (low, high) = (keys(&takes["r_lower"]), keys(&takes["r_upper"]));
    let theirs = takes
        .get("x25519_upper")
        .map_or(high.public(), |point| PairPublic {
            x25519: array(point),
            mlkem: high.public().mlkem,
        });
    let sides = || -> Result<Value, PairError> {
        theirs.check()?;
        let mut ciphertext = low.encapsulate(upper, &theirs)?;
        ciphertext.truncate(takes.get("ciphertext_bytes").map_or(usize::MAX, number));
        let one = low.seed_as_lower(lower, upper, &theirs, &t2)?;
        let other = high.seed_as_upper(upper, lower, &low.public(), &ciphertext, &t2)?;
        assert!(one.same(&other), "the two sides of a pair differ");
        let public = |keys: &PairKeys| {
            let PairPublic { x25519, mlkem } = keys.public();
            json!({ "x25519": hex(&x25519), "mlkem": Digest::of_file(&mlkem).hex() })
        };
        Ok(json!({
            "public_lower": public(&low),
            "public_upper": public(&high),
            "ciphertext": Digest::of_file(&ciphertext).hex(),
            "seed": hex(one.expose()),
        }))
    };
    outcome(sides())
}

pub(crate) fn stream(takes: &Value) -> Value {
    let (skip, length): (usize, usize) = (number(&takes["skip"]), number(&takes["length"]));
    let mut bytes = vec![0; skip + length];
    keystream(
        &Seed::new(array(&takes["seed"])),
        number(&takes["chunk"]),
        &mut bytes,
    );
    json!({ "bytes": hex(&bytes[skip..]) })
}

/// `dice` are the coefficients of the polynomials, 32 bytes a degree, from the highest degree down.
pub(crate) fn share(takes: &Value) -> Value {
    if let Some(secret) = takes.get("secret") {
        let mut rng = Known(unhex(&takes["dice"]));
        let shares = split(
            &Secret::new(array(secret)),
            number(&takes["t"]),
            number(&takes["n"]),
            &mut rng,
        );
        assert!(
            shares.is_err() || rng.0.is_empty(),
            "all random bytes are drawn"
        );
        return outcome(shares.map(
            |shares| json!({ "shares": shares.iter().map(|share| hex(share.expose())).collect::<Vec<_>>() }),
        ));
    }
    let shares = takes["shares"].as_array().unwrap().iter();
    let shares: Vec<(u8, Share)> = shares
        .map(|share| (number(&share["x"]), Share::copied(&array(&share["share"]))))
        .collect();
    outcome(combine(&shares).map(|secret| json!({ "secret": hex(secret.expose()) })))
}
