//! The command line holds together, and every line of the manual parses.

use super::*;
use clap::CommandFactory as _;

fn parse(line: &str) -> Result<Motet, clap::Error> {
    Motet::try_parse_from(line.split_whitespace())
}

#[test]
fn the_tree_is_sound() {
    Motet::command().debug_assert();
}

#[test]
fn every_line_of_the_contract_parses() {
    for line in [
        "motet init d --name N --country NL",
        "motet init d --name N --country NL --min-sites 4 --listen 127.0.0.1:7443",
        "motet init d --name N --country NL --operator o --governance g --governance-passphrase-file f",
        "motet coordinator --config d/coordinator.toml",
        "motet site invite lyon --country FR --as d/operator",
        "motet site list --json",
        "motet site remove lyon",
        "motet site remove lyon --why x --governance-passphrase-file f",
        "motet person invite ada --role researcher",
        "motet person join motet1-x --as d",
        "motet person join --code-file f --as d",
        "motet person list --json",
        "motet person remove ada",
        "motet data catalogue --site lyon --as d --json",
        "motet study propose f.toml",
        "motet study lint f.toml",
        "motet study list",
        "motet study show s --json",
        "motet study withdraw s",
        "motet run start s --wait",
        "motet run watch 00ff",
        "motet run list",
        "motet run show 00ff",
        "motet run abandon 00ff",
        "motet release list s",
        "motet release get s --run 00ff --out d",
        "motet release verify d --governance 00",
        "motet ledger verify",
        "motet ledger verify --recompute 00ff --as e --json",
        "motet ledger verify --config d/coordinator.toml --json",
        "motet ledger accept --config d/coordinator.toml --json",
        "motet ledger export f",
        "motet ledger proof d",
        "motet ledger proof s --run 00ff --out f --as e --json",
        "motet backup make --config d/coordinator.toml --out b --with-keys --json",
        "motet backup verify b --json",
        "motet backup restore b --config d/coordinator.toml --json",
        "motet demo",
        "motet bench recipes",
        "motet bench recipes --only cox --only km --keep --json",
        "motet demo heart --out d --keep --json --drop va@upload --drop hungarian@join:2",
    ] {
        assert!(
            parse(line).is_ok(),
            "{line}: {}",
            parse(line).err().map(|e| e.to_string()).unwrap_or_default()
        );
    }
}

#[test]
fn wrong_usage_is_exit_code_two() {
    for line in [
        "motet",
        "motet init d --name N",
        "motet init d --name N --country NL --min-sites 2",
        "motet person invite ada --role steward",
        "motet person join --as d",
        "motet person join motet1-x --code-file f --as d",
        "motet demo lungs",
        "motet bench",
        "motet demo --drop ITAL@lunch",
        "motet release verify d --as e --governance 00",
        "motet ledger verify f --recompute 00ff",
        "motet ledger verify f --config d/coordinator.toml",
    ] {
        assert_eq!(
            parse(line).map(|_| ()).unwrap_err().exit_code(),
            2,
            "{line}"
        );
    }
}
