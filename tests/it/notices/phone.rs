//! Commands by phone, against a stand-in of the Bot API that sends twice, out of order, late and not at all.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mjolnir::clock::{Clock as _, SystemClock, nap};
use serde_json::{Value, json};

use super::ledgers::root;
use crate::{
    e2e::fixture::{EVENING, NOON, decisions, eqflat, live},
    serve::fixture::{serve, until, until_up},
    support::{
        http::{Asked, Reply, Server},
        runner::{Root, Running},
    },
};

const TOKEN: &str = "4711:s3cr3t-tOkEn";
const OWNER: i64 = 5;
const COMMANDS: &str = "data/processed/commands/paper.csv";

/// What the stand-in holds.
#[derive(Default)]
struct Held {
    next: i64,
    updates: Vec<Value>,
    sent: Vec<(i64, String)>,
    /// Answers that it gives before any other.
    faults: Vec<Reply>,
    /// Whether it keeps an answer to a command to itself for a while.
    is_slow: bool,
}

/// A Bot API: it gives what is new from an update on, as often as it is asked, and forgets what is before it.
struct BotApi {
    server: Server,
    held: Arc<Mutex<Held>>,
}

impl BotApi {
    fn start() -> Self {
        let held = Arc::new(Mutex::new(Held { next: 900, ..Held::default() }));
        let own = Arc::clone(&held);
        let server = Server::start(move |_, asked| answer(&own, asked));
        Self { server, held }
    }

    /// Somebody writes, so many seconds ago. Returns the number of the update.
    fn write(&self, chat: i64, text: &str, ago_s: i64) -> i64 {
        let mut held = self.held.lock().unwrap();
        let id = held.next;
        held.next += 1;
        held.updates.push(json!({
            "update_id": id,
            "message": { "message_id": id, "date": SystemClock.now().get() / 1_000 - ago_s, "text": text,
                         "chat": { "id": chat, "type": "private" }, "from": { "id": chat } },
        }));
        id
    }

    fn sent(&self) -> Vec<(i64, String)> {
        self.held.lock().unwrap().sent.clone()
    }

    /// Waits for the answer number n, from 0.
    fn said(&self, n: usize) -> String {
        until(&format!("answer {n}"), || self.sent().len() > n);
        self.sent()[n].1.clone()
    }

    /// Whether everything was taken.
    fn is_taken(&self) -> bool {
        self.held.lock().unwrap().updates.is_empty()
    }
}

fn answer(held: &Mutex<Held>, asked: &Asked) -> Reply {
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let good =
        |result: Value| Reply::new("200 OK", json!({ "ok": true, "result": result }).to_string());
    let method = asked.target.strip_prefix(&format!("/bot{TOKEN}/"));
    let mut own = held.lock().unwrap();
    if !own.faults.is_empty() {
        return own.faults.remove(0);
    }
    match method {
        Some("getUpdates") => {
            let offset = body["offset"].as_i64().unwrap_or(0);
            own.updates.retain(|update| update["update_id"].as_i64().unwrap() >= offset);
            assert_eq!(body["allowed_updates"], json!(["message"]));
            // Twice, and the newest first.
            let mut all: Vec<Value> = own.updates.iter().rev().cloned().collect();
            all.extend(own.updates.iter().cloned());
            drop(own);
            if all.is_empty() {
                nap(Duration::from_millis(50));
            }
            good(Value::Array(all))
        }
        Some("sendMessage") => {
            let text = body["text"].as_str().unwrap().to_owned();
            let is_slow = own.is_slow && text.contains("recorded");
            own.sent.push((body["chat_id"].as_i64().unwrap(), text));
            drop(own);
            if is_slow {
                nap(Duration::from_secs(3));
            }
            good(json!({}))
        }
        _ => Reply::new(
            "404 Not Found",
            "{\"ok\":false,\"error_code\":404,\"description\":\"Not Found\"}",
        ),
    }
}

fn service(root: &Root, api: &BotApi) -> Running {
    let call = serve(root, "").env("DATA_TAG", "paper").env("CCXT_EXCHANGE", "demo");
    let call = call.env("MJOLNIR_TELEGRAM_TOKEN", TOKEN).env("MJOLNIR_TELEGRAM_CHATS", "5, -77");
    let running = call.env("MJOLNIR_TELEGRAM_SERVER", &api.server.url()).start();
    until_up(root, &running);
    running
}

fn end(root: &Root, running: Running) {
    running.signal("TERM");
    let said = running.end().code(0).stderr;
    let everything = root.files("data").iter().map(|(_, text)| text.clone()).collect::<String>();
    assert!(!said.contains("s3cr3t") && !everything.contains("s3cr3t"), "the token is a secret");
}

fn rows(root: &Root) -> Vec<String> {
    root.read(COMMANDS).lines().skip(1).map(str::to_owned).collect()
}

/// A root with a ledger up to noon.
fn at_noon() -> Root {
    let root = root();
    live(&root, "paper", NOON).run().ok();
    root
}

#[test]
fn a_loop_that_is_commanded_by_phone_has_the_rows_of_the_verb_and_is_proved() {
    let (root, api) = (at_noon(), BotApi::start());
    let running = service(&root, &api);
    api.write(OWNER, "/status", 0);
    let said = api.said(0);
    assert!(said.contains("paper, demo BTC/USD 5m: ") && said.contains("risk ACTIVE"), "{said}");
    api.write(OWNER, "/daily", 0);
    assert!(api.said(1).contains("pnl "), "{}", api.said(1));
    let slots = format!("slots: {}, ", root.rows(&decisions("paper")));
    assert!(api.said(1).contains(&slots), "{slots}{}", api.said(1));
    api.write(OWNER, "/why", 0);
    assert!(api.said(2).contains("(2024-01-01T12:00:00Z): "), "{}", api.said(2));
    let code = api.write(OWNER, "/flatten it looks, \"odd\"", 0);
    let question = api.said(3);
    for part in [
        "flatten tag paper: leaves the position at the next fill, then halts.",
        "reason: it looks, \"odd\"",
        &format!("/yes_{code} or /no_{code}"),
    ] {
        assert!(question.contains(part), "{part}: {question}");
    }
    assert!(rows(&root).is_empty(), "not before it is confirmed");
    api.write(OWNER, &format!("/yes_{code}"), 0);
    let said = api.said(4);
    assert!(
        said.contains("flatten for tag paper is recorded: for 2024-01-01T12:00:00.001Z, line 2"),
        "{said}"
    );
    // Once more, as a thumb does.
    api.write(OWNER, &format!("/yes_{code}"), 0);
    assert_eq!(api.said(5), said);
    end(&root, running);

    let other = at_noon();
    let verb = other
        .call("flatten --tag paper --at next --who telegram:5 --reason")
        .arg("it looks, \"odd\"");
    verb.run().ok();
    assert_eq!(rows(&root), rows(&other), "the row of the verb");
    live(&root, "paper", EVENING).run().ok();
    let halted =
        root.read(&decisions("paper")).lines().filter(|row| row.contains(",HALTED,")).count();
    assert!(halted > 60, "it was obeyed: {halted}");
    root.write("jobs/eqflat.toml", include_str!("../../../jobs/eqflat.toml"));
    eqflat(&root, "paper", "phone").run().ok();
}

#[test]
fn a_trial_writes_into_each_chat_that_may_command_and_names_what_is_wrong() {
    let (root, api) = (root(), BotApi::start());
    let notify = |token: &str, chats: &str| {
        let call = root.call("notify live").env("DATA_TAG", "paper");
        let call = call.env("MJOLNIR_TELEGRAM_TOKEN", token).env("MJOLNIR_TELEGRAM_CHATS", chats);
        let ran = call.env("MJOLNIR_TELEGRAM_SERVER", &api.server.url()).run();
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("s3cr3t"), "the token is a secret: {said}");
        ran
    };
    notify(TOKEN, "5, -77").ok().prints(&["telegram -77: taken\n", "telegram 5: taken\n"]);
    let sent = api.sent();
    assert_eq!(sent.iter().map(|(chat, _)| *chat).collect::<Vec<_>>(), [-77, 5]);
    assert!(sent[0].1.starts_with("a test: job live on "), "{sent:?}");
    assert!(sent[0].1.ends_with(" takes commands from this chat\nnext: /status"), "{sent:?}");
    // One chat that the bot may not write to, and others are told nevertheless.
    let refused =
        "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: chat not found\"}";
    api.held.lock().unwrap().faults = vec![Reply::new("400 Bad Request", refused)];
    let half = notify(TOKEN, "5, -77").code(1);
    half.prints(&[
        "telegram -77: failed: the answer was 400: Bad Request: chat not found",
        "5: taken",
    ]);
    notify("4711:s3cr3t-other", "5").code(1).prints(&["5: failed: it does not know the token"]);
    notify(TOKEN, "").code(78).says(&["`notify.telegram.chats` is missing"]);
    assert_eq!(api.sent().len(), 3);
    let wrong = notify(TOKEN, "5, ann").code(78);
    wrong.says(&["notify.telegram.chats", "`ann`"]);
}

#[test]
fn faults_of_the_server_lose_nothing_and_double_nothing() {
    let (root, api) = (at_noon(), BotApi::start());
    api.held.lock().unwrap().faults = vec![
        Reply::new("502 Bad Gateway", "<html>nginx</html>"),
        Reply::new("200 OK", "{\"ok\":true,\"result\":[{\"update_id\":\"x\"},7,null]}"),
        Reply::new(
            "429 Too Many Requests",
            "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":1}}",
        ),
        Reply::new("200 OK", "not JSON"),
        Reply::raw("no HTTP"),
    ];
    let code = api.write(OWNER, "/halt", 0);
    api.write(666, "/flatten", 0);
    api.write(666, "/status", 0);
    api.write(OWNER, "/reduce", 600);
    let running = service(&root, &api);
    assert!(api.said(0).contains(&format!("/yes_{code}")));
    assert!(api.said(1).starts_with("too old: this was sent 10 minutes ago"), "{}", api.said(1));
    // An answer that is not taken at first.
    let busy = "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":1}}";
    until("everything is taken", || api.is_taken());
    let yes = api.write(OWNER, &format!("/yes_{code}"), 0);
    until("it is obeyed", || rows(&root).len() == 1);
    assert!(api.said(2).contains("is recorded"), "{}", api.said(2));
    api.held.lock().unwrap().faults = vec![Reply::new("429 Too Many Requests", busy)];
    api.write(-77, "/status", 0);
    assert!(api.said(3).contains("risk ACTIVE"));
    // A confirmation of another chat, and one that is not there.
    api.write(-77, &format!("/yes_{code}"), 0);
    assert!(api.said(4).starts_with("nothing waits for this answer"), "{}", api.said(4));
    until("everything is taken", || api.is_taken());
    end(&root, running);
    assert_eq!(rows(&root).len(), 1, "{:?}", rows(&root));
    assert!(api.sent().iter().all(|(chat, _)| *chat != 666), "a foreign chat gets no answer");
    let log = root.read("data/state/scheduler.log");
    assert!(log.contains("chat 666 is not in notify.telegram.chats"), "{log}");
    // What was dealt with stays so, also when the server sends it again.
    let again = service(&root, &api);
    {
        let mut held = api.held.lock().unwrap();
        let date = SystemClock.now().get() / 1_000;
        held.updates.push(json!({
            "update_id": yes, "message": { "date": date, "chat": { "id": OWNER }, "from": { "id": OWNER },
            "text": format!("/yes_{code}") },
        }));
    }
    api.write(OWNER, "/status", 0);
    assert!(api.said(5).contains("last command halt of telegram:5: by phone"), "{}", api.said(5));
    end(&root, again);
    assert_eq!((rows(&root).len(), api.sent().len()), (1, 6));
}

#[test]
fn a_death_behind_the_row_and_before_the_offset_gives_no_second_row() {
    let (root, api) = (at_noon(), BotApi::start());
    let running = service(&root, &api);
    let code = api.write(OWNER, "/halt", 0);
    api.said(0);
    api.held.lock().unwrap().is_slow = true;
    api.write(OWNER, &format!("/yes_{code}"), 0);
    // The row is there, the answer on its way, and the update not yet taken down as dealt with.
    api.said(1);
    running.signal("KILL");
    running.end();
    assert_eq!(rows(&root).len(), 1);
    api.held.lock().unwrap().is_slow = false;
    let again = service(&root, &api);
    let said = api.said(2);
    assert!(said.starts_with("halt for tag paper was recorded: "), "{said}");
    until("everything is taken", || api.is_taken());
    end(&root, again);
    assert_eq!(rows(&root).len(), 1, "{:?}", rows(&root));
}
