//! `motet init`: a new consortium. This is one of the few places that make keys; every one of them
//! is made here, once, and written with mode 0600.
//!
//! ```text
//! DIR/coordinator.toml   what `motet coordinator` reads
//! DIR/coordinator/       authority, server certificate, signing keys: of the coordinator's machine
//! DIR/state/             its ledger, which begins with the operator: invited, enrolled, its certificate on record
//! OPERATOR/              operator's identity, governance key, secrets of invitations: of another machine
//! GOVERNANCE/            where one is named, the governance key: kept offline, plugged in for a proposal
//! ```
//! Whoever takes the coordinator's machine must not find what rosters are signed with, nor the
//! secrets under which newcomers are proven: `--operator` and `--governance` put them elsewhere, a
//! passphrase seals the key.

use crate::args::Init;
use crate::failure::{Done, Failure};
use crate::governance::{self, FILE};
use crate::identity::{
    Card, Keys, Papers, new_key, private_folder, refuse_existing, write_key, write_plain,
};
use crate::invitation::Kept;
use crate::output::{Out, now_ms};
use motet_common::enrol::{Role, Ticket, check_country, split_address};
use motet_common::moment::Moment;
use motet_common::roster::MAX_TEXT;
use motet_coordinator::founding::{Founder, found};
use motet_proto::keyfile::write_new_secret;
use motet_proto::rng;
use motet_proto::tls::authority::{Authority, Validity};

use motet_secagg::sign::SecretKey;
use std::net::TcpListener;
use std::path::{Component, Path, PathBuf};

/// The operator's and the server's certificates: as long as a research grant; the authority itself
/// lasts ten years.
const CERTIFICATE_DAYS: u32 = 5 * 365;

/// The folder of the coordinator's ledger, inside that of the consortium.
const STATE: &str = "state";

/// The name in the operator's certificate, which stewards read beside a proposal.
const OPERATOR: &str = "operator";

/// What was made.
pub struct Consortium {
    /// The coordinator's configuration.
    pub config: PathBuf,
    /// The operator's identity folder.
    pub operator: PathBuf,
    /// The governance key's file.
    pub governance_key: PathBuf,
    /// What join codes carry.
    pub address: String,
    /// Fingerprint of the governance key, hexadecimal.
    pub governance: String,
}

/// Makes the consortium and says what to do next.
///
/// # Errors
/// Wrong usage for a folder that exists, a bad name, country, address or passphrase; a failure when
/// a file cannot be written.
pub async fn run(args: &Init, out: Out) -> Done {
    let made = make(args).await?;
    out.heading(format!(
        "Consortium `{}` is made in `{}`.",
        args.name,
        args.dir.display()
    ));
    out.line(format!(
        "  coordinator           {} (join codes will carry {})",
        made.config.display(),
        made.address
    ));
    out.line(format!(
        "  operator's identity   {}",
        made.operator.display()
    ));
    let sealed = if args.governance_passphrase_file.is_some() {
        ", sealed"
    } else {
        ""
    };
    out.line(format!(
        "  governance key        {}{sealed}",
        made.governance_key.display()
    ));
    out.line(format!("  its fingerprint       {}", made.governance));
    out.line(
        "  Members compare that fingerprint by telephone. The key signs \
        every roster: keep a copy of it offline.",
    );
    if args.operator.is_none() {
        out.line(format!(
            "  `{}` holds what the coordinator must not have: move it to the \
             operator's machine (init --operator DIR).",
            made.operator.display()
        ));
    }
    if args.governance.is_none() && args.governance_passphrase_file.is_none() {
        out.line(
            "  Whoever reads that folder can sign rosters: --governance DIR keeps the key elsewhere, and",
        );
        out.line("  --governance-passphrase-file FILE seals it.");
    }
    out.heading("Next");
    out.line(format!(
        "  motet coordinator --config {}",
        made.config.display()
    ));
    out.line(format!(
        "  motet site invite NAME --country CC --as {}",
        made.operator.display()
    ));
    Ok(())
}

/// Makes the consortium whole or not at all: the coordinator's folder is written beside its place
/// and moved there last.
///
/// # Errors
/// As [`run`].
pub async fn make(args: &Init) -> Done<Consortium> {
    let apart: Vec<&PathBuf> = args.operator.iter().chain(&args.governance).collect();
    refuse_nested(args)?;
    refuse_existing(&args.dir)?;
    for folder in &apart {
        refuse_existing(folder)?;
    }
    check_country(&args.country)?;
    if args.name.trim().is_empty()
        || args.name.len() > MAX_TEXT
        || args.name.chars().any(char::is_control)
    {
        return Err(Failure::usage(
            format!(
                "`{}` cannot name a consortium",
                crate::output::shown(&args.name)
            ),
            format!("give 1 to {MAX_TEXT} bytes on one line"),
        ));
    }
    let (listen, address) = addresses(args.listen.as_deref(), args.address.as_deref())?;
    // Absolute and without a slash at its end, so that the draft stands beside it.
    let mut draft = absolute(&args.dir)?
        .components()
        .collect::<PathBuf>()
        .into_os_string();
    draft.push(format!(".{:08x}.new", u32::from_le_bytes(rng::bytes())));
    let draft = PathBuf::from(draft);
    let places = Places {
        operator: args
            .operator
            .clone()
            .unwrap_or_else(|| draft.join("operator")),
        governance: args.governance.as_deref().map(absolute).transpose()?,
        draft,
    };
    let written = write(args, &listen, &address, &places)
        .await
        .and_then(|governance| {
            if args.dir.is_dir() {
                std::fs::remove_dir(&args.dir).map_err(Failure::io("make", &args.dir))?;
            }
            std::fs::rename(&places.draft, &args.dir).map_err(Failure::io("make", &args.dir))?;
            Ok(governance)
        });
    let governance = written.inspect_err(|_| {
        // They were empty or did not exist: whatever is in them was made here.
        for folder in apart.into_iter().chain([&places.draft]) {
            drop(std::fs::remove_dir_all(folder));
        }
    })?;
    let operator = args
        .operator
        .clone()
        .unwrap_or_else(|| args.dir.join("operator"));
    Ok(Consortium {
        config: args.dir.join("coordinator.toml"),
        governance_key: places.governance.as_ref().unwrap_or(&operator).join(FILE),
        operator,
        address,
        governance: governance.public().fingerprint().hex(),
    })
}

/// Folders that are named to lie apart lie apart: none is another, or inside of it.
fn refuse_nested(args: &Init) -> Done {
    let mut named = vec![("the coordinator's folder", &args.dir)];
    named.extend(args.operator.iter().map(|dir| ("--operator", dir)));
    named.extend(args.governance.iter().map(|dir| ("--governance", dir)));
    let mut found: Vec<(&str, &PathBuf, PathBuf)> = Vec::new();
    for (what, given) in named {
        let whole = std::path::absolute(given).map_err(Failure::io("find", given))?;
        let place = place(&whole);
        for (other, their, known) in &found {
            let next = "name folders beside each other, or leave one out";
            if place == *known {
                let text = format!("{other} and {what} are one folder, `{}`", given.display());
                return Err(Failure::usage(text, next));
            }
            let inside = |inner: &Path, outer: &Path| {
                Failure::usage(
                    format!("`{}` lies inside `{}`", inner.display(), outer.display()),
                    next,
                )
            };
            if place.starts_with(known) {
                return Err(inside(given, their));
            }
            if known.starts_with(&place) {
                return Err(inside(their, given));
            }
        }
        found.push((what, given, place));
    }
    Ok(())
}

/// A path by its true name, as far as it exists; what does not exist yet has no links in it.
fn place(path: &Path) -> PathBuf {
    let found = path
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, mut whole)) = found else {
        return path.to_path_buf();
    };
    for part in path.strip_prefix(above).unwrap_or(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole
}

/// Where things are written.
struct Places {
    draft: PathBuf,
    operator: PathBuf,
    /// Absolute; nothing where the key lies with the operator.
    governance: Option<PathBuf>,
}

async fn write(args: &Init, listen: &str, address: &str, places: &Places) -> Done<SecretKey> {
    let Places {
        draft: dir,
        operator,
        governance: apart,
    } = places;
    let authority = Authority::create(&args.name)?;
    let validity = Validity::days(CERTIFICATE_DAYS);
    let (host, _) = split_address(address)?;
    let server = authority.issue_server(&[host.to_owned()], &args.country, validity)?;
    let governance = new_key();

    private_folder(dir)?;
    write_plain(
        &dir.join("coordinator.toml"),
        &config(args, listen, address, &governance),
    )?;
    let keys = dir.join("coordinator");
    private_folder(&keys)?;
    write_plain(&keys.join("authority.pem"), authority.cert_pem())?;
    write_new_secret(&keys.join("authority.key"), authority.key_pem().as_bytes())?;
    write_plain(&keys.join("server.pem"), &server.chain_pem)?;
    write_new_secret(&keys.join("server.key"), server.key_pem.as_bytes())?;
    write_key(&keys.join("signing.key"), &new_key())?;
    write_key(&keys.join("log.key"), &new_key())?;

    let client_pem =
        enrol_operator(args, operator, &dir.join("state"), &authority, &governance).await?;
    let card = Card {
        consortium: args.name.clone(),
        address: address.to_owned(),
        name: OPERATOR.to_owned(),
        country: args.country.clone(),
        role: Role::Operator,
        governance: governance.public().hex(),
        authority: authority.fingerprint().hex(),
        governance_key: apart.as_ref().map(|folder| folder.join(FILE)),
    };
    Papers {
        card: &card,
        authority_pem: authority.cert_pem(),
        client_pem: &client_pem,
    }
    .write(operator)?;
    let key_folder = apart.as_ref().unwrap_or(operator);
    private_folder(key_folder)?;
    let passphrase = args.governance_passphrase_file.as_deref();
    governance::write(&key_folder.join(FILE), &governance, passphrase)?;
    Ok(governance)
}

/// The operator joins as everyone after: under an invitation of its own, with a proof and
/// signatures, and its certificate on the coordinator's record.
async fn enrol_operator(
    args: &Init,
    operator: &Path,
    state: &Path,
    authority: &Authority,
    governance: &SecretKey,
) -> Done<String> {
    let validity = Validity::days(CERTIFICATE_DAYS);
    let invite = rng::bytes();
    let secret = zeroize::Zeroizing::new(rng::bytes::<32>());
    let keys = Keys::of(operator, OPERATOR)?;
    let fingerprint = governance.public().fingerprint();
    let enrolment = keys.enrolment(
        invite,
        (OPERATOR, &args.country),
        Role::Operator,
        fingerprint,
    )?;
    let mut kept = Kept::new(OPERATOR, &args.country, Role::Operator, None, now_ms());
    // Nobody else ever had the secret, and it is not needed again.
    kept.fix(&enrolment);
    kept.keep(operator, &invite)?;
    private_folder(state)?;
    let founder = Founder {
        ticket: Ticket::of(&secret, &invite),
        proof: enrolment.prove(&secret),
        possession: enrolment.sign(&keys.signing, None, None),
        enrolment,
        csr: keys.csr,
        validity,
    };
    let founded = found(state, authority, founder, Moment { ms: now_ms() }).await;
    founded.map_err(|error| Failure::failed(format!("{error:#}"), ""))
}

fn config(args: &Init, listen: &str, address: &str, governance: &SecretKey) -> String {
    format!(
        "# The coordinator of a consortium. Paths are relative to this file.\n\
         consortium = {name}\n\
         country = {country}\n\
         listen = {listen}            # where it listens\n\
         address = {address}           # what join codes carry and nodes dial\n\
         keys = \"coordinator\"                # authority, server certificate, signing key\n\
         state = \"{STATE}\"                     # ledger and blobs, on a local disk\n\
         lease = \"15s\"                       # a node whose connection broke is taken for gone after this\n\
         min_sites = {min_sites}                        # fewest sites \
         in any sum, whatever a study asks for\n\
         governance = {governance}\n",
        name = quoted(&args.name),
        country = quoted(&args.country),
        listen = quoted(listen),
        address = quoted(address),
        min_sites = args.min_sites,
        governance = quoted(&governance.public().hex()),
    )
}

fn absolute(path: &Path) -> Done<PathBuf> {
    std::path::absolute(path).map_err(Failure::io("find", path))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Where the coordinator listens and what nodes dial.
fn addresses(listen: Option<&str>, address: Option<&str>) -> Done<(String, String)> {
    let listen = match listen {
        Some(listen) => listen.to_owned(),
        None => free_port()?,
    };
    let (host, _) = split_address(&listen)?;
    let everywhere = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_unspecified());
    if everywhere && address.is_none() {
        return Err(Failure::usage(
            format!("nobody can dial `{listen}`"),
            "say with --address HOST:PORT how nodes reach this machine",
        ));
    }
    let address = address.unwrap_or(&listen).to_owned();
    split_address(&address)?;
    Ok((listen, address))
}

/// A port of this machine that is free now.
fn free_port() -> Done<String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let at = bound.map_err(|error| {
        Failure::failed(
            format!("this machine gives no free port: {error}"),
            "name one with --listen 127.0.0.1:PORT",
        )
    })?;
    Ok(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use motet_secagg::digest::to_hex;

    fn args(dir: PathBuf) -> Init {
        Init {
            dir,
            name: "Stroke \"EU\"".into(),
            country: "NL".into(),
            min_sites: 3,
            listen: None,
            address: None,
            operator: None,
            governance: None,
            governance_passphrase_file: None,
        }
    }

    #[tokio::test]
    async fn a_consortium_is_whole_and_its_keys_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path().join("consortium"));
        let made = make(&args).await.unwrap();
        let identity = Identity::open(Some(&made.operator)).unwrap();
        assert_eq!(identity.card.consortium, args.name);
        assert_eq!(
            governance::key(&identity).unwrap().public(),
            identity.governance
        );
        assert_eq!(identity.fingerprint().hex(), made.governance);
        let config: toml::Table =
            toml::from_str(&std::fs::read_to_string(&made.config).unwrap()).unwrap();
        assert_eq!(config["consortium"].as_str(), Some("Stroke \"EU\""));
        assert_eq!(
            config["governance"].as_str(),
            Some(identity.card.governance.as_str())
        );
        assert_eq!(config["listen"], config["address"]);
        #[cfg(unix)]
        for key in [
            "coordinator/authority.key",
            "coordinator/server.key",
            "coordinator/signing.key",
            "coordinator/log.key",
            "operator/governance.key",
            "operator/signing.key",
            "operator/client.key",
        ] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(args.dir.join(key))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[tokio::test]
    async fn folders_that_are_to_lie_apart_are_refused_when_they_are_one_or_nested_and_nothing_is_left()
     {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        for (hub, operator, governance, words) in [
            ("h", Some("h"), None, "are one folder"),
            ("h", Some("h/op"), None, "lies inside"),
            ("op/h", Some("op"), None, "lies inside"),
            ("h", None, Some("h/key"), "lies inside"),
            (
                "h",
                Some("x"),
                Some("x"),
                "--operator and --governance are one folder",
            ),
            ("h", Some("x"), Some("y/../x"), "one folder"),
            ("h", Some("x"), Some("x/key"), "lies inside"),
            ("h", Some("real/op"), Some("link/op"), "one folder"),
        ] {
            let args = Init {
                operator: operator.map(at),
                governance: governance.map(at),
                ..args(at(hub))
            };
            let failure = make(&args).await.err().unwrap();
            assert_eq!(failure.exit_code(), 2, "{failure}");
            assert!(failure.to_string().contains(words), "{failure}");
        }
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["link", "real"]);
    }

    /// Every file below a folder, with what is in it.
    fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let below = |path: PathBuf| match path.is_dir() {
            true => files(&path),
            false => vec![(path.clone(), std::fs::read(&path).unwrap())],
        };
        entries.flat_map(below).collect()
    }

    #[tokio::test]
    async fn nothing_that_signs_rosters_or_proves_newcomers_lies_in_the_coordinators_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        motet_proto::keyfile::write_new_secret(&at("phrase"), b"correct horse battery\n").unwrap();
        let args = Init {
            operator: Some(at("op")),
            governance: Some(at("stick/governance")),
            governance_passphrase_file: Some(at("phrase")),
            ..args(at("hub"))
        };
        let made = make(&args).await.unwrap();
        let identity = Identity::open(Some(&made.operator)).unwrap();
        assert!(
            governance::key(&identity).is_err(),
            "it has a passphrase, and nobody is asked"
        );
        let govern = crate::args::Govern {
            governance_passphrase_file: Some(at("phrase")),
        };
        let key = governance::key(&identity.with_passphrase_file(&govern)).unwrap();
        let invites = files(&at("op/invites"));
        let kept: Kept = toml::from_str(std::str::from_utf8(&invites[0].1).unwrap()).unwrap();
        assert!(
            kept.secret.is_none() && kept.enrolled.is_some(),
            "the secret has done its work"
        );
        let seed = to_hex(key.seed().as_slice());
        let contains = |bytes: &[u8], secret: &str| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        };
        for (path, bytes) in files(&at("hub")) {
            let raw = motet_secagg::digest::from_hex(&seed).unwrap();
            assert!(!contains(&bytes, &seed), "{}", path.display());
            assert!(
                !bytes.windows(32).any(|part| part == raw),
                "{}",
                path.display()
            );
        }
        assert!(
            !at("op/governance.key").exists() && at("stick/governance/governance.key").exists()
        );
        assert!(
            files(&at("op"))
                .iter()
                .all(|(_, bytes)| !contains(bytes, &seed))
        );
    }

    #[tokio::test]
    async fn a_second_init_leaves_the_first_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path().join("consortium"));
        let first = make(&args).await.unwrap().governance;
        assert_eq!(make(&args).await.err().unwrap().exit_code(), 2);
        let identity = Identity::open(Some(&args.dir.join("operator"))).unwrap();
        assert_eq!(identity.fingerprint().hex(), first);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left behind"
        );
        let other = Init {
            dir: folder.path().join("other"),
            operator: Some(args.dir.clone()),
            ..args
        };
        assert_eq!(
            make(&other).await.err().unwrap().exit_code(),
            2,
            "nor is the operator's folder taken"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_init_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let args = Init {
            operator: Some(at("op")),
            governance_passphrase_file: Some(at("no such phrase")),
            ..args(at("hub"))
        };
        assert_eq!(make(&args).await.err().unwrap().exit_code(), 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_wrong_usage() {
        assert_eq!(
            addresses(Some("0.0.0.0:7443"), None)
                .unwrap_err()
                .exit_code(),
            2
        );
        let (listen, address) =
            addresses(Some("0.0.0.0:7443"), Some("motet.example.org:443")).unwrap();
        assert_eq!(
            (listen.as_str(), address.as_str()),
            ("0.0.0.0:7443", "motet.example.org:443")
        );
        assert!(addresses(Some("no address"), None).is_err());
        assert!(addresses(None, None).unwrap().0.starts_with("127.0.0.1:"));
    }
}
