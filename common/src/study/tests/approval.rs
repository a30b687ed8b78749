//! The digest covers every field.

use super::*;

/// Every field of a study changed, one by one. The patterns have no `..`: a new field does not compile until it is here.
fn changes(study: &Study) -> Vec<(&'static str, Study)> {
    let Study { id, title, question, purpose, ends, sites, data, method, privacy, rounds } = study.clone();
    let Data { dataset, outcome, features, levels, filter, test_fraction } = data.clone();
    let Privacy { min_sites, min_rows } = privacy;
    let Rounds { join_s, share_s, upload_s, sign_s, reveal_s, quorum, on_site_loss } = rounds;
    let other = |text: &str| format!("{text}x");
    let shorter = |list: &[String]| list[1..].to_vec();
    let with = |change: &dyn Fn(&mut Study)| {
        let mut changed = study.clone();
        change(&mut changed);
        changed
    };
    let loss = if on_site_loss == SiteLoss::Pause { SiteLoss::Continue } else { SiteLoss::Pause };
    let mut all = vec![
        ("id", with(&|s| s.id = other(&id))),
        ("title", with(&|s| s.title = other(&title))),
        ("question", with(&|s| s.question = other(&question))),
        ("purpose", with(&|s| s.purpose = other(&purpose))),
        ("ends.year", with(&|s| s.ends.year = ends.year + 1)),
        ("ends.month", with(&|s| s.ends.month = ends.month - 1)),
        ("ends.day", with(&|s| s.ends.day = ends.day - 1)),
        ("sites", with(&|s| s.sites = shorter(&sites))),
        ("dataset", with(&|s| s.data.dataset = other(&dataset))),
        ("outcome", with(&|s| s.data.outcome = outcome.as_deref().map(other))),
        ("features", with(&|s| s.data.features = shorter(&features))),
        ("features, order", with(&|s| s.data.features = features.iter().rev().cloned().collect())),
        ("levels", with(&|s| s.data.levels = levels[1..].to_vec())),
        ("levels, feature", with(&|s| s.data.levels[0].feature = other(&levels[0].feature))),
        ("levels, level", with(&|s| s.data.levels[0].levels = shorter(&levels[0].levels))),
        ("filter", with(&|s| s.data.filter = filter.as_ref().map(|_| Filter::parse("age >= 19").unwrap()))),
        ("no filter", with(&|s| s.data.filter = None)),
        ("test_fraction", with(&|s| s.data.test_fraction = test_fraction + 0.1)),
        ("method", with(&|s| s.method = Method::Summary)),
        ("min_sites", with(&|s| s.privacy.min_sites = min_sites + 1)),
        ("min_rows", with(&|s| s.privacy.min_rows = min_rows + 1)),
        ("join", with(&|s| s.rounds.join_s = join_s + 1)),
        ("share", with(&|s| s.rounds.share_s = share_s + 1)),
        ("upload", with(&|s| s.rounds.upload_s = upload_s + 1)),
        ("sign", with(&|s| s.rounds.sign_s = sign_s + 1)),
        ("reveal", with(&|s| s.rounds.reveal_s = reveal_s + 1)),
        ("quorum", with(&|s| s.rounds.quorum = quorum.map(|q| q + 1))),
        ("no quorum", with(&|s| s.rounds.quorum = None)),
        ("on_site_loss", with(&|s| s.rounds.on_site_loss = loss)),
    ];
    let methods = match method {
        Method::Summary => vec![],
        Method::Logistic(m) => {
            let Logistic { ridge, tolerance, max_rounds } = m.clone();
            vec![
                ("ridge", Method::Logistic(Logistic { ridge: ridge + 1.0, ..m.clone() })),
                ("tolerance", Method::Logistic(Logistic { tolerance: tolerance * 2.0, ..m.clone() })),
                ("max_rounds", Method::Logistic(Logistic { max_rounds: max_rounds + 1, ..m })),
            ]
        }
        Method::FedAvg(m) => {
            let FedAvg { hidden, rounds, local_epochs, batch, lr, server_lr, weight, ring } = m.clone();
            let weight = if weight == Weighting::Rows { Weighting::Equal } else { Weighting::Rows };
            let other_ring = if ring == Ring::Bits32 { Ring::Bits24 } else { Ring::Bits32 };
            vec![
                ("hidden", Method::FedAvg(FedAvg { hidden: [hidden, vec![3]].concat(), ..m.clone() })),
                ("rounds", Method::FedAvg(FedAvg { rounds: rounds + 1, ..m.clone() })),
                ("local_epochs", Method::FedAvg(FedAvg { local_epochs: local_epochs + 1, ..m.clone() })),
                ("batch", Method::FedAvg(FedAvg { batch: batch + 1, ..m.clone() })),
                ("lr", Method::FedAvg(FedAvg { lr: lr + 0.1, ..m.clone() })),
                ("server_lr", Method::FedAvg(FedAvg { server_lr: server_lr + 0.1, ..m.clone() })),
                ("weight", Method::FedAvg(FedAvg { weight, ..m.clone() })),
                ("ring", Method::FedAvg(FedAvg { ring: other_ring, ..m })),
            ]
        }
    };
    all.extend(methods.into_iter().map(|(name, method)| (name, Study { method, ..study.clone() })));
    all
}

#[test]
fn no_field_changes_behind_an_approval() {
    for study in [full(), fedavg()] {
        let mut seen = vec![("unchanged", study.root())];
        for (name, changed) in changes(&study) {
            let root = changed.root();
            assert!(seen.iter().all(|(_, other)| *other != root), "{name} does not change the digest");
            seen.push((name, root));
        }
    }
}
