//! One folder, copied and started twice: neither node fights for the line, and both the site and
//! the operator are told.
#![expect(
    clippy::unwrap_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE};
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const TAKEN: &str = "another connection with this site's certificate took its place";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn log(consortium: &Consortium, site: &str) -> String {
    std::fs::read_to_string(consortium.path(&format!("{site}.log"))).unwrap_or_default()
}

fn connected(consortium: &Consortium) -> bool {
    consortium
        .operate(&["site", "list"])
        .out
        .contains("connected")
}

#[test]
fn a_folder_that_runs_twice_is_named_to_site_and_operator_and_one_of_the_two_stops() {
    let mut consortium = Consortium::start(PROGRAM);
    let code = consortium.invite("va", "US");
    consortium.desk("va", &["join", &code]).done();
    copy(
        Path::new(&consortium.path("va")),
        Path::new(&consortium.path("copy")),
    );
    consortium.start_node("va", &[]);
    consortium.wait("the site is connected", connected);

    // A node that is started again takes the place of what it was at once, and that is no alarm.
    consortium.node("va").kill();
    consortium.kill_node("va");
    consortium.start_node("va", &[]);
    consortium.wait("it is connected again", |c| {
        log(c, "va").matches(" connected: ").count() == 2
    });
    assert!(
        !consortium
            .operate(&["site", "list"])
            .done()
            .contains("ALARM")
    );

    for time in 1..=3 {
        consortium.start_node("copy", &[]);
        consortium.wait("the node is told", |c| {
            log(c, "va").matches(TAKEN).count() >= time
        });
        consortium.kill_node("copy");
        let back = |c: &Consortium| {
            c.operate(&["site", "list"])
                .out
                .contains("ALARM, IN TWO PLACES")
        };
        if time < 3 {
            consortium.wait("it comes back and the operator is told", |c| {
                back(c) && log(c, "va").matches(" connected: ").count() == 2 + time
            });
        }
    }
    assert!(
        consortium.node("va").ends_within(PATIENCE),
        "{}",
        consortium.logs()
    );
    let said = log(&consortium, "va");
    assert!(
        said.contains("refused [line_replaced]") && said.contains("this node stops"),
        "{said}"
    );
    let hub = log(&consortium, "coordinator");
    assert!(hub.contains("a site's folder runs in two places"), "{hub}");
}
