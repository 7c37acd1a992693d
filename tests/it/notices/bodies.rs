//! What webhooks and programs get, letter by letter.

use mjolnir::{os::machine, store::runs::RunState};

use super::fixture::{LONG, hook, manifest, notifier, observe, run};
use crate::support::{
    http::{Asked, Reply, Server},
    runner::Root,
};

/// What a webhook of this format is told of a failed run and of the success after it.
fn told(path: &str, format: &str) -> Vec<Asked> {
    let (root, server) = (Root::new(), Server::start(|_, _| Reply::new("200 OK", "ok")));
    let manifest = hook(&format!("{}{path}", server.url()), format);
    let notifier = notifier(&root, &manifest);
    observe(&root, &notifier, &run(1, RunState::Failed), &manifest);
    server.await_asked(1);
    observe(&root, &notifier, &run(2, RunState::Succeeded), &manifest);
    server.await_asked(2);
    notifier.end(LONG);
    server.asked()
}

#[test]
fn each_format_has_its_body() {
    let host = machine::name();
    let failed = format!(
        "fetch failed on {host}, once since 2023-11-15T00:01:05.500Z: no <bars> & \"no\" @everyone\n\
         next: runner logs fetch_1_1"
    );
    let well =
        format!("fetch is well again on {host}; trouble once since 2023-11-15T00:01:05.500Z: done");
    let quoted = |text: &str| serde_json::Value::from(text).to_string();

    let slack = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let expect = |path: &str, format: &str, target: &str, body: &dyn Fn(&str) -> String| {
        let asked = told(path, format);
        assert_eq!(asked.len(), 2, "{format}");
        for (asked, text) in asked.iter().zip([&failed, &well]) {
            assert_eq!(asked.body, body(text), "{format}");
            assert_eq!(asked.target, target, "{format}");
            assert_eq!(asked.header("content-type"), "application/json", "{format}");
        }
    };
    expect("/services/T/B/x", "slack", "/services/T/B/x", &|text| {
        format!("{{\"text\":{}}}", quoted(&slack(text)))
    });
    expect("/api/webhooks/1/x", "discord", "/api/webhooks/1/x", &|text| {
        format!("{{\"content\":{},\"allowed_mentions\":{{\"parse\":[]}}}}", quoted(text))
    });
    for path in ["/bot1:x", "/bot1:x/sendMessage"] {
        expect(path, "telegram", "/bot1:x/sendMessage", &|text| {
            format!("{{\"chat_id\":\"-100123\",\"text\":{}}}", quoted(text))
        });
    }

    let ntfy = told("/topic", "ntfy");
    for (asked, text, title, priority, tags) in [
        (&ntfy[0], &failed, format!("fetch failed on {host}"), "4", "warning"),
        (&ntfy[1], &well, format!("fetch is well again on {host}"), "3", "white_check_mark"),
    ] {
        assert_eq!(asked.body, *text);
        assert_eq!(asked.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(asked.header("title"), title);
        assert_eq!((asked.header("priority"), asked.header("tags")), (priority, tags));
    }
}

#[test]
fn the_document_of_ours_has_everything() {
    let host = machine::name();
    let asked = told("/hook?k=1", "json");
    let expected = |event: &str, run: u32, state: &str, exit: u32, summary: &str| {
        format!(
            "{{\"schema\":\"mjolnir.notice/1\",\"event\":\"{event}\",\"job\":\"fetch\",\"kind\":\"exec\",\
             \"tag\":null,\"market\":null,\"run_id\":\"fetch_1_{run}\",\"state\":\"{state}\",\"exit\":{exit},\"slot\":\"2023-11-15T00:0{run}:00Z\",\
             \"summary\":\"{summary}\",\"since\":\"2023-11-15T00:01:05.500Z\",\"times\":1,\"host\":\"{host}\",\
             \"build\":\"0.1.0-b\"}}"
        )
    };
    let said = "no <bars> & \\\"no\\\" @everyone";
    assert_eq!(asked[0].body, expected("failed", 1, "failed", 1, said));
    assert_eq!(asked[1].body, expected("recovered", 2, "succeeded", 0, "done"));
    assert_eq!(asked[0].target, "/hook?k=1");
}

#[test]
fn a_program_finds_the_notice_in_its_variables() {
    let root = Root::new();
    let script = "printf '%s|' \"$MJOLNIR_EVENT\" \"$MJOLNIR_JOB\" \"$MJOLNIR_STATE\" \"$MJOLNIR_NOTICE_RUN_ID\" \
                  \"$MJOLNIR_SUMMARY\" > told.tmp; printf '%s\\n' \"$MJOLNIR_TEXT\" >> told.tmp; mv told.tmp told";
    root.write("tell.sh", script);
    let manifest = manifest("[notify]\ncommand = ['sh', 'tell.sh']");
    let notifier = notifier(&root, &manifest);
    observe(&root, &notifier, &run(1, RunState::TimedOut), &manifest);
    root.await_lines("told", 2);
    notifier.end(LONG);
    let host = machine::name();
    assert_eq!(
        root.read("told"),
        format!(
            "timed_out|fetch|timed_out|fetch_1_1|done|fetch took too long on {host}, once since \
             2023-11-15T00:01:05.500Z: done\nnext: runner logs fetch_1_1\n"
        )
    );
}
