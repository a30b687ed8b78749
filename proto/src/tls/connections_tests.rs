//! Whose a line is: the member's whose certificate stands in the book, and never that of a
//! namesake.

use super::*;

#[tokio::test]
async fn a_member_with_too_many_connections_loses_an_older_one_and_the_newest_answers() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let ours = identity(&authority, Validity::days(30));
    let mut channels = Vec::new();
    for _ in 0..12 {
        let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
        assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
        channels.push(channel);
    }
    assert_eq!(connections.count(&digest(&ours)), 8);
}

#[tokio::test]
async fn a_certificate_that_is_no_members_is_a_strangers_and_pushes_out_no_namesake() {
    let authority = authority();
    let (ours, removed) = (
        identity(&authority, Validity::days(30)),
        identity(&authority, Validity::days(30)),
    );
    let member = digest(&ours);
    let connections = Connections::new(move |peer| peer.certificate == member);
    let server = server_identity(&authority, Validity::days(30));
    let address = listening(&authority, &server, &connections).await;
    let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    let mut crowd = Vec::new();
    for _ in 0..12 {
        let mut channel = connect(&address, &removed, COORDINATOR_NAME).await.unwrap();
        assert_eq!(
            call(&mut channel, "/hello").await.unwrap(),
            "amsterdam-2",
            "it says so, and is answered"
        );
        crowd.push(channel);
    }
    assert_eq!(connections.count(&digest(&removed)), 0, "no member's line");
    assert_eq!(
        connections.strangers(),
        12,
        "they share the places of those whom nobody knows"
    );
    assert_eq!(connections.count(&member), 1, "the member's line stands");
}

#[tokio::test]
async fn closing_one_members_lines_leaves_those_of_a_namesake() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let (old, new) = (
        identity(&authority, Validity::days(30)),
        identity(&authority, Validity::days(30)),
    );
    let mut lines = Vec::new();
    for who in [&old, &new] {
        for _ in 0..8 {
            let mut channel = connect(&address, who, COORDINATOR_NAME).await.unwrap();
            assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
            lines.push(channel);
        }
    }
    assert_eq!(
        (
            connections.count(&digest(&old)),
            connections.count(&digest(&new))
        ),
        (8, 8)
    );
    assert_eq!(connections.close(&digest(&old)), 8);
    assert_eq!(
        (
            connections.count(&digest(&old)),
            connections.count(&digest(&new))
        ),
        (0, 8)
    );
}

#[tokio::test]
async fn a_removal_turns_a_member_into_a_stranger_at_its_next_line() {
    let authority = authority();
    let ours = identity(&authority, Validity::days(30));
    let stands = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&stands);
    let connections = Connections::new(move |_| asked.load(std::sync::atomic::Ordering::SeqCst));
    let server = server_identity(&authority, Validity::days(30));
    let address = listening(&authority, &server, &connections).await;
    let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    stands.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(connections.close(&digest(&ours)), 1);
    let mut again = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    assert_eq!(call(&mut again, "/hello").await.unwrap(), "amsterdam-2");
    assert_eq!(
        (connections.count(&digest(&ours)), connections.strangers()),
        (0, 1)
    );
}
