//! Joining, admission and removal, with real keys and certificates.

use super::*;
use motet_common::roster::Removal;
use motet_proto::tls::authority::make_csr;
use motet_proto::tls::peer::peer_of;
use motet_secagg::sign::SecretKey;

const NOW: Moment = Moment { ms: 1_000 };
const LATER: Moment = Moment { ms: 9_000 };

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

struct Scene {
    authority: Authority,
    governance: SecretKey,
    members: Members,
    ledger: Ledger,
}

/// The ticket of the invitation with this seed.
fn ticket(seed: u8) -> Ticket {
    Ticket::of(&[7; 32], &[seed; 16])
}

/// A newcomer's secret halves: an identity key from a seed, the steward's and witness keys from the
/// two after it.
struct Newcomer {
    seed: u8,
    csr: Vec<u8>,
}

impl Newcomer {
    fn new(seed: u8) -> Self {
        Self {
            seed,
            csr: make_csr("newcomer").unwrap().0,
        }
    }

    fn enrolment(&self, scene: &Scene, name: &str, role: Role) -> Enrolment {
        let site = role == Role::Site;
        Enrolment {
            invite: [self.seed; 16],
            name: name.into(),
            country: "NL".into(),
            role,
            identity: key(self.seed).public(),
            steward: site.then(|| key(self.seed + 1).public()),
            witness: site.then(|| key(self.seed + 2).public()),
            csr_key_digest: csr_key_digest(&self.csr).unwrap(),
            governance_fingerprint: scene.governance.public().fingerprint(),
        }
    }

    /// Signed with the keys of this newcomer, whatever the enrolment names.
    fn application(&self, enrolment: Enrolment) -> Application {
        let (steward, witness) = (key(self.seed + 1), key(self.seed + 2));
        let site = enrolment.role == Role::Site;
        Application {
            ticket: Ticket::of(&[7; 32], &enrolment.invite),
            proof: enrolment.prove(&[7; 32]),
            possession: enrolment.sign(
                &key(self.seed),
                site.then_some(&steward),
                site.then_some(&witness),
            ),
            enrolment,
            csr: self.csr.clone(),
        }
    }
}

impl Scene {
    async fn new() -> Self {
        let ledger = Ledger::memory();
        let members = Members::load(ledger.clone()).await.unwrap();
        Self {
            authority: Authority::create("trial").unwrap(),
            governance: key(200),
            members,
            ledger,
        }
    }

    async fn invite(&self, seed: u8, name: &str, role: Role) {
        self.invite_by(seed, seed, name, role, LATER).await.unwrap();
    }

    async fn invite_by(
        &self,
        by: u8,
        seed: u8,
        name: &str,
        role: Role,
        expires: Moment,
    ) -> Result<(), Refusal> {
        let (name, country) = (name.into(), "NL".into());
        let invited = Invited {
            invite: [seed; 16],
            name,
            country,
            role,
            expires,
            ticket: ticket(seed).digest(),
            by: [by; 16],
        };
        self.members.invite(invited, NOW).await
    }

    async fn apply(&self, application: Application, now: Moment) -> Result<String, Refusal> {
        let governance = self.governance.public().fingerprint();
        self.members
            .join(&self.authority, &governance, application, now)
            .await
    }

    /// Invites and enrols, and gives what the handshake would show.
    async fn joined(&self, seed: u8, name: &str, role: Role) -> (Newcomer, Peer) {
        self.invite(seed, name, role).await;
        let newcomer = Newcomer::new(seed);
        let application = newcomer.application(newcomer.enrolment(self, name, role));
        let peer = shown(&self.apply(application, NOW).await.unwrap());
        (newcomer, peer)
    }

    fn removal(&self, seed: u8, name: &str) -> SignedRemoval {
        self.removal_of([seed; 16], key(seed).public().node_id(), name)
    }

    fn removal_of(&self, invite: Invite, node: NodeId, name: &str) -> SignedRemoval {
        let removal = Removal {
            invite,
            node,
            name: name.into(),
            reason: "gone".into(),
            when_ms: 1,
        };
        removal.sign(&self.governance).unwrap()
    }

    async fn remove(&self, removal: SignedRemoval, roles: &[Role]) -> Result<String, Refusal> {
        self.remove_at(removal, roles, NOW).await
    }

    async fn remove_at(
        &self,
        removal: SignedRemoval,
        roles: &[Role],
        now: Moment,
    ) -> Result<String, Refusal> {
        self.members
            .remove(removal, &self.governance.public().fingerprint(), roles, now)
            .await
    }

    async fn entries(&self) -> usize {
        self.ledger.read(STREAM, 1).await.unwrap().len()
    }
}

fn shown(certificate: &str) -> Peer {
    peer_of(&motet_proto::tls::authority::certificate_der(certificate).unwrap()).unwrap()
}

const PEOPLE: &[Role] = &[Role::Operator, Role::Researcher];

#[tokio::test]
async fn a_newcomer_with_another_hospitals_public_key_is_refused_and_nothing_is_spent() {
    let scene = Scene::new().await;
    let (clev, admitted) = scene.joined(10, "clev", Role::Site).await;
    scene.invite(20, "evil", Role::Site).await;
    let evil = Newcomer::new(20);
    let before = scene.entries().await;
    let own = evil.enrolment(&scene, "evil", Role::Site);
    let victim = clev.enrolment(&scene, "clev", Role::Site);
    // The keys are public; without their secret halves nothing signs for them.
    for borrowed in [
        Enrolment {
            identity: victim.identity,
            ..own.clone()
        },
        Enrolment {
            steward: victim.steward,
            ..own.clone()
        },
        Enrolment {
            witness: victim.witness,
            ..own.clone()
        },
    ] {
        let refusal = scene
            .apply(evil.application(borrowed), NOW)
            .await
            .unwrap_err();
        assert_eq!(refusal.code, Code::KeyUnproven, "{refusal}");
    }
    assert_eq!(scene.entries().await, before, "nothing was recorded");
    let caller = scene.members.caller(&admitted).unwrap();
    assert_eq!(
        (caller.name.as_str(), caller.node),
        ("clev", Some(key(10).public().node_id()))
    );
    scene.apply(evil.application(own), NOW).await.unwrap();
}

#[tokio::test]
async fn a_key_that_any_member_has_or_had_is_refused_for_every_purpose() {
    let scene = Scene::new().await;
    let (gone, _) = scene.joined(10, "gone", Role::Site).await;
    scene.joined(30, "ada", Role::Operator).await;
    scene
        .remove(scene.removal(10, "gone"), &[Role::Site])
        .await
        .unwrap();
    scene.invite(20, "again", Role::Site).await;
    let again = Newcomer::new(20);
    let own = again.enrolment(&scene, "again", Role::Site);
    // Signed by its holder, who enrols it a second time: as the same, or for another purpose.
    for old in [10, 11, 12, 30] {
        let steward = Enrolment {
            steward: Some(key(old).public()),
            ..own.clone()
        };
        let possession = steward.sign(&key(20), Some(&key(old)), Some(&key(22)));
        let application = Application {
            possession,
            ..again.application(steward)
        };
        let refusal = scene.apply(application, NOW).await.unwrap_err();
        assert_eq!(refusal.code, Code::KeyTaken, "{old}: {refusal}");
    }
    let tls = Newcomer {
        seed: 20,
        csr: gone.csr,
    };
    let refusal = scene
        .apply(
            tls.application(tls.enrolment(&scene, "again", Role::Site)),
            NOW,
        )
        .await
        .unwrap_err();
    assert_eq!(refusal.code, Code::KeyTaken, "the TLS key: {refusal}");
    scene.apply(again.application(own), NOW).await.unwrap();
}

#[tokio::test]
async fn the_same_application_gets_the_same_certificate_and_another_is_too_late() {
    let scene = Scene::new().await;
    scene.invite(10, "ada", Role::Researcher).await;
    let ada = Newcomer::new(10);
    let apply = || ada.application(ada.enrolment(&scene, "ada", Role::Researcher));
    let first = scene.apply(apply(), NOW).await.unwrap();
    let before = scene.entries().await;
    // Also after the invitation has run out, and after a restart.
    assert_eq!(scene.apply(apply(), LATER).await.unwrap(), first);
    let after = Scene {
        members: Members::load(scene.ledger.clone()).await.unwrap(),
        ..scene
    };
    let again = ada.application(ada.enrolment(&after, "ada", Role::Researcher));
    assert_eq!(after.apply(again, LATER).await.unwrap(), first);
    assert_eq!(after.entries().await, before);
    // Other keys, or another proof.
    let other = Newcomer::new(40);
    let keys = Enrolment {
        invite: [10; 16],
        ..other.enrolment(&after, "ada", Role::Researcher)
    };
    assert_eq!(
        after
            .apply(other.application(keys), NOW)
            .await
            .unwrap_err()
            .code,
        Code::TokenUsed
    );
    let application = ada.application(ada.enrolment(&after, "ada", Role::Researcher));
    let unproven = Application {
        proof: [0; 32],
        ..application
    };
    assert_eq!(
        after.apply(unproven, NOW).await.unwrap_err().code,
        Code::TokenUsed
    );
    after.joined(60, "op", Role::Operator).await;
    after
        .remove(after.removal(10, "ada"), PEOPLE)
        .await
        .unwrap();
    let again = ada.application(ada.enrolment(&after, "ada", Role::Researcher));
    assert_eq!(
        after.apply(again, NOW).await.unwrap_err().code,
        Code::TokenUsed,
        "removed is removed"
    );
    let asked = after
        .members
        .invitation(&[10; 16], &ticket(10))
        .unwrap_err();
    assert_eq!(asked.code, Code::TokenUnknown, "and is told nothing more");
}

#[tokio::test]
async fn a_certificate_that_is_not_on_the_books_is_nobodys() {
    let scene = Scene::new().await;
    let (_, old) = scene.joined(10, "clev", Role::Site).await;
    // Of the same authority, in every word like that of a member, and on a key of its own.
    let subject = Subject {
        name: "clev".into(),
        country: "NL".into(),
        role: Role::Site,
        node: old.node,
    };
    let (csr, _) = make_csr("clev").unwrap();
    let issued = shown(
        &scene
            .authority
            .sign_csr(&csr, &subject, Validity::days(1))
            .unwrap(),
    );
    assert_eq!(
        scene.members.caller(&issued).unwrap_err().code,
        Code::NotAMember
    );
    assert!(scene.members.caller(&old).is_ok());
    // An empty ledger, or one from before.
    let empty = Members::load(Ledger::memory()).await.unwrap();
    assert_eq!(empty.caller(&old).unwrap_err().code, Code::NotAMember);
    let restarted = Members::load(scene.ledger.clone()).await.unwrap();
    assert_eq!(restarted.caller(&old).unwrap().name, "clev");
}

#[tokio::test]
async fn a_removal_removes_exactly_the_member_it_names() {
    let scene = Scene::new().await;
    let (_, clev) = scene.joined(10, "clev", Role::Site).await;
    let (_, ada) = scene.joined(20, "ada", Role::Researcher).await;
    let (_, other) = scene.joined(30, "bob", Role::Researcher).await;
    let (ten, twenty) = (key(10).public().node_id(), key(20).public().node_id());
    for wrong in [
        scene.removal_of([20; 16], ten, "ada"),
        scene.removal_of([10; 16], twenty, "ada"),
        scene.removal_of([20; 16], twenty, "bob"),
        scene.removal_of([99; 16], twenty, "ada"),
    ] {
        assert_eq!(
            scene.remove(wrong, PEOPLE).await.unwrap_err().code,
            Code::NotInRoster
        );
    }
    let site = scene.removal(10, "clev");
    assert_eq!(
        scene.remove(site, PEOPLE).await.unwrap_err().code,
        Code::NotInRoster,
        "a site is no person"
    );
    let forged = Removal {
        invite: [20; 16],
        node: twenty,
        name: "ada".into(),
        reason: "x".into(),
        when_ms: 1,
    };
    let forged = forged.sign(&key(201)).unwrap();
    assert_eq!(
        scene.remove(forged, PEOPLE).await.unwrap_err().code,
        Code::BadSignature
    );

    scene
        .remove(scene.removal(20, "ada"), PEOPLE)
        .await
        .unwrap();
    assert_eq!(
        scene.members.caller(&ada).unwrap_err().code,
        Code::PersonRevoked
    );
    assert!(scene.members.caller(&clev).is_ok() && scene.members.caller(&other).is_ok());
    assert!(
        scene.members.removed_nodes().await.is_empty(),
        "no site has gone"
    );
    // The name is free again, and the old certificate stays out.
    let (_, next) = scene.joined(50, "ada", Role::Researcher).await;
    assert!(scene.members.caller(&next).is_ok());
    assert_eq!(
        scene.members.caller(&ada).unwrap_err().code,
        Code::PersonRevoked
    );
    scene
        .remove(scene.removal(10, "clev"), &[Role::Site])
        .await
        .unwrap();
    assert_eq!(
        scene.members.caller(&clev).unwrap_err().code,
        Code::SiteRevoked
    );
    assert_eq!(scene.members.removed_nodes().await, [ten]);
}

#[tokio::test]
async fn an_invitations_id_without_its_secret_opens_nothing() {
    let scene = Scene::new().await;
    scene.invite(10, "clev", Role::Site).await;
    let guessed = Ticket::of(&[8; 32], &[10; 16]);
    assert_eq!(
        scene
            .members
            .invitation(&[10; 16], &guessed)
            .unwrap_err()
            .code,
        Code::TokenUnknown
    );
    let newcomer = Newcomer::new(10);
    let application = || newcomer.application(newcomer.enrolment(&scene, "clev", Role::Site));
    let without = Application {
        ticket: guessed,
        ..application()
    };
    assert_eq!(
        scene.apply(without, NOW).await.unwrap_err().code,
        Code::TokenUnknown
    );
    assert_eq!(
        scene.members.list(NOW, |_| false).await[0].state(),
        v1::MemberState::Invited,
        "the invitation is not spent"
    );
    scene.apply(application(), NOW).await.unwrap();
    // Nor does the id of a redeemed invitation say whose it is, or give the certificate again.
    assert_eq!(
        scene
            .members
            .invitation(&[10; 16], &guessed)
            .unwrap_err()
            .code,
        Code::TokenUnknown
    );
    let without = Application {
        ticket: guessed,
        ..application()
    };
    assert_eq!(
        scene.apply(without, NOW).await.unwrap_err().code,
        Code::TokenUnknown
    );
}

#[tokio::test]
async fn an_invitation_does_not_write_another_name_over_a_member() {
    let scene = Scene::new().await;
    scene.joined(10, "clev", Role::Site).await;
    let invited = Invited {
        invite: [10; 16],
        name: "other".into(),
        country: "NL".into(),
        role: Role::Researcher,
        expires: LATER,
        ticket: ticket(0).digest(),
        by: [1; 16],
    };
    assert_eq!(
        scene.members.invite(invited, NOW).await.unwrap_err().code,
        Code::Malformed
    );
    assert_eq!(scene.members.list(NOW, |_| false).await[0].name, "clev");
}

#[tokio::test]
async fn names_that_differ_in_case_only_are_one_name() {
    let scene = Scene::new().await;
    let lyon = |seed: u8, name: &str| Invited {
        invite: [seed; 16],
        name: name.into(),
        country: "FR".into(),
        role: Role::Site,
        expires: LATER,
        ticket: ticket(0).digest(),
        by: [1; 16],
    };
    scene.members.invite(lyon(5, "LYON"), NOW).await.unwrap();
    scene.joined(10, "lyon", Role::Site).await;
    assert_eq!(
        scene.members.list(NOW, |_| false).await.len(),
        1,
        "the later invitation takes its place"
    );
    assert_eq!(
        scene
            .members
            .invite(lyon(20, "Lyon"), NOW)
            .await
            .unwrap_err()
            .code,
        Code::NameTaken
    );
}

#[tokio::test]
async fn a_members_certificate_is_found_by_its_invitation_after_its_removal_too() {
    let scene = Scene::new().await;
    let (_, ada) = scene.joined(20, "ada", Role::Researcher).await;
    scene
        .remove(scene.removal(20, "ada"), PEOPLE)
        .await
        .unwrap();
    let (_, next) = scene.joined(50, "ada", Role::Researcher).await;
    let certificate = |seed: u8| scene.members.certificate(&[seed; 16]);
    assert_eq!(
        (certificate(20), certificate(50)),
        (Some(ada.certificate), Some(next.certificate))
    );
    assert_eq!(certificate(99), None);
}

#[tokio::test]
async fn the_last_operator_stays() {
    let scene = Scene::new().await;
    scene.joined(10, "operator", Role::Operator).await;
    scene.joined(20, "ada", Role::Researcher).await;
    let last = scene
        .remove(scene.removal(10, "operator"), PEOPLE)
        .await
        .unwrap_err();
    assert_eq!(last.code, Code::LastOperator);
    let (_, second) = scene.joined(30, "second", Role::Operator).await;
    let when_all_have_ended = Moment { ms: u64::MAX };
    let alone = scene
        .remove_at(scene.removal(10, "operator"), PEOPLE, when_all_have_ended)
        .await;
    assert_eq!(
        alone.unwrap_err().code,
        Code::LastOperator,
        "the other's certificate has ended"
    );
    scene
        .remove(scene.removal(10, "operator"), PEOPLE)
        .await
        .unwrap();
    let last = scene
        .remove(scene.removal(30, "second"), PEOPLE)
        .await
        .unwrap_err();
    assert_eq!(last.code, Code::LastOperator);
    assert!(scene.members.caller(&second).is_ok());
}

#[tokio::test]
async fn a_removed_operator_does_not_come_back_by_an_invitation_of_its_own() {
    let scene = Scene::new().await;
    scene.joined(10, "operator", Role::Operator).await;
    scene.joined(20, "gone", Role::Operator).await;
    scene
        .invite_by(20, 30, "again", Role::Operator, LATER)
        .await
        .unwrap();
    scene
        .invite_by(10, 40, "honest", Role::Researcher, LATER)
        .await
        .unwrap();
    scene
        .invite_by(20, 50, "joined", Role::Researcher, LATER)
        .await
        .unwrap();
    let joined = Newcomer::new(50);
    let joined = joined.application(joined.enrolment(&scene, "joined", Role::Researcher));
    let joined = shown(&scene.apply(joined, NOW).await.unwrap());
    scene
        .remove(scene.removal(20, "gone"), PEOPLE)
        .await
        .unwrap();
    let late = scene
        .invite_by(20, 60, "later", Role::Operator, LATER)
        .await
        .unwrap_err();
    assert_eq!(late.code, Code::PersonRevoked);
    // Also after a restart.
    let scene = Scene {
        members: Members::load(scene.ledger.clone()).await.unwrap(),
        ..scene
    };
    let again = Newcomer::new(30);
    let again = again.application(again.enrolment(&scene, "again", Role::Operator));
    assert_eq!(
        scene.apply(again, NOW).await.unwrap_err().code,
        Code::TokenUnknown
    );
    let honest = Newcomer::new(40);
    let honest = honest.application(honest.enrolment(&scene, "honest", Role::Researcher));
    scene.apply(honest, NOW).await.unwrap();
    assert!(
        scene.members.caller(&joined).is_ok(),
        "who has joined is a member of its own right"
    );
}

#[tokio::test]
async fn no_invitation_outlives_ninety_days() {
    let scene = Scene::new().await;
    scene
        .invite_by(10, 20, "ada", Role::Researcher, Moment { ms: u64::MAX })
        .await
        .unwrap();
    let last = NOW.ms + 90 * 86_400_000;
    assert_eq!(
        scene
            .members
            .invitation(&[20; 16], &ticket(20))
            .unwrap()
            .expires
            .ms,
        last
    );
    let ada = Newcomer::new(20);
    let application = ada.application(ada.enrolment(&scene, "ada", Role::Researcher));
    assert_eq!(
        scene
            .apply(application, Moment { ms: last })
            .await
            .unwrap_err()
            .code,
        Code::TokenExpired
    );
}

#[tokio::test]
async fn an_invitation_that_was_taken_back_lets_nobody_in() {
    let scene = Scene::new().await;
    scene.joined(10, "operator", Role::Operator).await;
    scene.invite(20, "ada", Role::Researcher).await;
    scene.members.void(&[20; 16]).await.unwrap();
    assert_eq!(
        scene.members.void(&[20; 16]).await.unwrap_err().code,
        Code::TokenUnknown
    );
    assert_eq!(
        scene.members.void(&[10; 16]).await.unwrap_err().code,
        Code::TokenUsed
    );
    let scene = Scene {
        members: Members::load(scene.ledger.clone()).await.unwrap(),
        ..scene
    };
    let ada = Newcomer::new(20);
    let application = ada.application(ada.enrolment(&scene, "ada", Role::Researcher));
    assert_eq!(
        scene.apply(application, NOW).await.unwrap_err().code,
        Code::TokenUnknown
    );
    assert_eq!(scene.members.list(NOW, |_| false).await.len(), 1);
}
