//! `/metrics`, as promtool reads it.

use mjolnir::serve::board::Turn;

use crate::support::skip::have;
use crate::{
    e2e::fixture::{NOON, ledger},
    notices::pages::{pages, send},
};

#[test]
fn promtool_finds_nothing_wrong_with_the_numbers() {
    if !have("promtool") {
        return;
    }
    let root = ledger(NOON);
    let (server, board) = pages(&root);
    board.turned(Turn { jobs: Some(3), ..Turn::default() });
    let at = server.address();
    let ask = |accept: &str| {
        let answer = send(at, &format!("GET /metrics HTTP/1.1\r\nHost: {at}\r\n{accept}\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    };
    for accept in ["", "Accept: text/plain;version=0.0.4\r\n", "Accept: */*\r\n"] {
        let (head, body) = ask(accept);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(body.contains("\nmjolnir_loop_decisions_total{"), "{body}");
        root.write("numbers", &body);
        let said = root.shell("promtool check metrics < numbers").code(0);
        assert_eq!((said.stdout.trim(), said.stderr.trim()), ("", ""), "{body}");
    }
    let (head, body) = ask("Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text") && body.ends_with("# EOF\n"), "{head}");
}
