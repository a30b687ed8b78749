//! `motet init`: a new consortium. This is one of the few places that make keys; every one of them is made here, once,
//! and written with mode 0600.
//!
//! ```text
//! DIR/coordinator.toml   what `motet coordinator` reads
//! DIR/coordinator/       authority, server certificate, signing keys: of the coordinator's machine
//! DIR/operator/          governance key and operator's identity: can be moved to another machine, kept offline
//! ```

use crate::args::Init;
use crate::failure::{Done, Failure};
use crate::identity::{Card, Papers, new_key, private_folder, refuse_existing, write_key, write_plain};
use crate::output::Out;
use motet_common::enrol::{Role, check_country, split_address};
use motet_common::roster::MAX_TEXT;
use motet_proto::keyfile::write_new_secret;
use motet_proto::tls::authority::{Authority, Subject, Validity, make_csr};
use motet_secagg::sign::SecretKey;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// The operator's and the server's certificates: as long as a research grant; the authority itself lasts ten years.
const CERTIFICATE_DAYS: u32 = 5 * 365;

/// The name in the operator's certificate, which stewards read beside a proposal.
const OPERATOR: &str = "operator";

/// What was made.
pub struct Consortium {
    /// The coordinator's configuration.
    pub config: PathBuf,
    /// The operator's identity folder.
    pub operator: PathBuf,
    /// What join codes carry.
    pub address: String,
    /// Fingerprint of the governance key, hexadecimal.
    pub governance: String,
}

/// Makes the consortium and says what to do next.
///
/// # Errors
/// Wrong usage for a folder that exists, a bad name, country or address; a failure when a file cannot be written.
pub fn run(args: &Init, out: Out) -> Done {
    let made = make(args)?;
    out.heading(format!("Consortium `{}` is made in `{}`.", args.name, args.dir.display()));
    out.line(format!(
        "  coordinator           {} (join codes will carry {})",
        made.config.display(),
        made.address
    ));
    out.line(format!("  operator's identity   {}", made.operator.display()));
    out.line(format!("  governance key        fingerprint {}", made.governance));
    out.line("  Members compare that fingerprint by telephone. Keep a copy of governance.key offline: it signs every roster.");
    out.heading("Next");
    out.line(format!("  motet coordinator --config {}", made.config.display()));
    out.line(format!("  motet site invite NAME --country CC --as {}", made.operator.display()));
    Ok(())
}

/// Makes the consortium's folder whole or not at all: everything is written beside it and moved into place.
///
/// # Errors
/// As [`run`].
pub fn make(args: &Init) -> Done<Consortium> {
    refuse_existing(&args.dir)?;
    check_country(&args.country)?;
    if args.name.trim().is_empty() || args.name.len() > MAX_TEXT || args.name.chars().any(char::is_control) {
        return Err(Failure::usage(
            format!("`{}` cannot name a consortium", crate::output::shown(&args.name)),
            format!("give 1 to {MAX_TEXT} bytes on one line"),
        ));
    }
    let (listen, address) = addresses(args.listen.as_deref(), args.address.as_deref())?;
    // Absolute and without a slash at its end, so that the draft stands beside it.
    let whole = std::path::absolute(&args.dir).map_err(Failure::io("find", &args.dir))?;
    let mut draft = whole.components().collect::<PathBuf>().into_os_string();
    draft.push(format!(".{:08x}.new", u32::from_le_bytes(motet_proto::dice::bytes())));
    let draft = PathBuf::from(draft);
    let written = write(args, &listen, &address, &draft).and_then(|governance| {
        std::fs::rename(&draft, &args.dir).map_err(Failure::io("make", &args.dir))?;
        Ok(governance)
    });
    let governance = written.inspect_err(|_| drop(std::fs::remove_dir_all(&draft)))?;
    Ok(Consortium {
        config: args.dir.join("coordinator.toml"),
        operator: args.dir.join("operator"),
        address,
        governance: governance.public().fingerprint().hex(),
    })
}

fn write(args: &Init, listen: &str, address: &str, dir: &Path) -> Done<SecretKey> {
    let authority = Authority::create(&args.name)?;
    let validity = Validity::days(CERTIFICATE_DAYS);
    let (host, _) = split_address(address)?;
    let server = authority.issue_server(&[host.to_owned()], &args.country, validity)?;
    let governance = new_key();

    private_folder(dir)?;
    write_plain(&dir.join("coordinator.toml"), &config(args, listen, address, &governance))?;
    let keys = dir.join("coordinator");
    private_folder(&keys)?;
    write_plain(&keys.join("authority.pem"), authority.cert_pem())?;
    write_new_secret(&keys.join("authority.key"), authority.key_pem().as_bytes())?;
    write_plain(&keys.join("server.pem"), &server.chain_pem)?;
    write_new_secret(&keys.join("server.key"), server.key_pem.as_bytes())?;
    write_key(&keys.join("signing.key"), &new_key())?;
    write_key(&keys.join("log.key"), &new_key())?;

    let (request, client_key) = make_csr(OPERATOR)?;
    let subject = Subject {
        name: OPERATOR.to_owned(),
        country: args.country.clone(),
        role: Role::Operator,
        node: None,
    };
    let client_pem = authority.sign_csr(&request, &subject, validity)?;
    let card = Card {
        consortium: args.name.clone(),
        address: address.to_owned(),
        name: OPERATOR.to_owned(),
        country: args.country.clone(),
        role: Role::Operator.to_string(),
        governance: governance.public().hex(),
        authority: authority.fingerprint().hex(),
    };
    let operator = dir.join("operator");
    Papers {
        card: &card,
        authority_pem: authority.cert_pem(),
        client_pem: &client_pem,
        client_key: &client_key,
        signing: &new_key(),
    }
    .write(&operator)?;
    write_key(&operator.join("governance.key"), &governance)?;
    Ok(governance)
}

fn config(args: &Init, listen: &str, address: &str, governance: &SecretKey) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    format!(
        "# The coordinator of a consortium. Paths are relative to this file.\n\
         consortium = {name}\n\
         country = {country}\n\
         listen = {listen}            # where it listens\n\
         address = {address}           # what join codes carry and nodes dial\n\
         keys = \"coordinator\"                # authority, server certificate, signing key\n\
         state = \"state\"                     # ledger and blobs, on a local disk\n\
         lease = \"15s\"                       # a node whose connection broke is taken for gone after this\n\
         min_sites = {min_sites}                        # fewest sites in any sum, whatever a study asks for\n\
         governance = {governance}\n",
        name = quoted(&args.name),
        country = quoted(&args.country),
        listen = quoted(listen),
        address = quoted(address),
        min_sites = args.min_sites,
        governance = quoted(&governance.public().hex()),
    )
}

/// Where the coordinator listens and what nodes dial.
fn addresses(listen: Option<&str>, address: Option<&str>) -> Done<(String, String)> {
    let listen = match listen {
        Some(listen) => listen.to_owned(),
        None => free_port()?,
    };
    let (host, _) = split_address(&listen)?;
    let everywhere = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_unspecified());
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

    fn args(dir: PathBuf) -> Init {
        Init {
            dir,
            name: "Stroke \"EU\"".into(),
            country: "NL".into(),
            min_sites: 3,
            listen: None,
            address: None,
        }
    }

    #[test]
    fn a_consortium_is_whole_and_its_keys_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path().join("consortium"));
        let made = make(&args).unwrap();
        let identity = crate::identity::Identity::open(Some(&made.operator)).unwrap();
        assert_eq!(identity.card.consortium, args.name);
        assert_eq!(identity.governance_key().unwrap().public(), identity.governance);
        assert_eq!(identity.fingerprint().hex(), made.governance);
        let config: toml::Table = toml::from_str(&std::fs::read_to_string(&made.config).unwrap()).unwrap();
        assert_eq!(config["consortium"].as_str(), Some("Stroke \"EU\""));
        assert_eq!(config["governance"].as_str(), Some(identity.card.governance.as_str()));
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
            let mode = std::fs::metadata(args.dir.join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }

    #[test]
    fn a_second_init_leaves_the_first_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path().join("consortium"));
        let first = make(&args).unwrap().governance;
        assert_eq!(make(&args).err().unwrap().exit_code(), 2);
        let identity = crate::identity::Identity::open(Some(&args.dir.join("operator"))).unwrap();
        assert_eq!(identity.fingerprint().hex(), first);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_wrong_usage() {
        assert_eq!(addresses(Some("0.0.0.0:7443"), None).unwrap_err().exit_code(), 2);
        let (listen, address) = addresses(Some("0.0.0.0:7443"), Some("motet.example.org:443")).unwrap();
        assert_eq!((listen.as_str(), address.as_str()), ("0.0.0.0:7443", "motet.example.org:443"));
        assert!(addresses(Some("no address"), None).is_err());
        assert!(addresses(None, None).unwrap().0.starts_with("127.0.0.1:"));
    }
}
