//! Notices by e-mail, to a real mail server: over TLS or not at all, and never with a password in what is said.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use base64::Engine as _;
use mjolnir::{
    clock::{Clock as _, SystemClock},
    store::rows::trades::TRADES_HEADER,
};
use serde_json::Value;

use super::{fixture::store, ledgers::root};
use crate::{
    e2e::fixture::trades,
    serve::fixture::{serve, until, until_up},
    support::{
        http::Server,
        ran::Ran,
        runner::{Call, Root},
        skip::python,
    },
};

/// A mail server that writes each letter that it takes into a file of the root.
struct MailServer {
    child: Child,
    port: u16,
}

impl MailServer {
    #[expect(clippy::disallowed_methods, reason = "the test starts a server of others")]
    fn start(root: &Root, privacy: &str) -> Option<Self> {
        let python = python("aiosmtpd")?;
        let der = include_bytes!("../support/tls/key.der");
        let key = base64::engine::general_purpose::STANDARD.encode(der);
        // Not in one piece: a deploy of this tree would be refused for a key.
        let begin = ["-----BEGIN", "PRIVATE KEY-----\n"].join(" ");
        root.write("key.pem", &format!("{begin}{key}\n-----END PRIVATE KEY-----\n"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/notices/smtp.py");
        let mut command = Command::new(python);
        command.args([script, privacy, Server::CERTIFICATE]);
        command.args([root.at("key.pem"), root.at("letters")]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, port: line.trim().parse().expect("it says its port") })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn notify<'r>(root: &'r Root, server: &MailServer, tls: &str) -> Call<'r> {
    let call = root.call("notify live").env("MJOLNIR_SMTP_TLS", tls);
    let call = call.env("MJOLNIR_SMTP_SERVER", &format!("127.0.0.1:{}", server.port));
    let call = call.env("MJOLNIR_MAIL_FROM", "box@example.org");
    call.env("MJOLNIR_MAIL_TO", "ann@example.org, bob@example.org")
}

fn known(call: Call<'_>) -> Call<'_> {
    let call = call.env("SSL_CERT_FILE", Server::CERTIFICATE);
    call.env("MJOLNIR_SMTP_USER", "ann").env("MJOLNIR_SMTP_PASSWORD", "s3cr3t")
}

fn letters(root: &Root) -> Vec<Value> {
    root.read("letters").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn refused(ran: &Ran, because: &str) {
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.code != 0 && said.contains(because), "{because}: {said}");
    assert!(!said.contains("s3cr3t"), "{said}");
}

#[test]
fn a_letter_goes_over_tls_to_everybody_who_reads() {
    for tls in ["implicit", "starttls"] {
        let root = root();
        let Some(server) = MailServer::start(&root, tls) else { return };
        known(notify(&root, &server, tls)).run().ok();
        let all = letters(&root);
        assert_eq!(all.len(), 1, "{all:?}");
        let letter = &all[0];
        assert_eq!((&letter["tls"], &letter["user"]), (&true.into(), &"ann".into()), "{tls}");
        assert_eq!(letter["from"], "box@example.org");
        assert_eq!(letter["to"].to_string(), "[\"ann@example.org\",\"bob@example.org\"]");
        let headers = &letter["headers"];
        assert!(
            headers["Subject"].as_str().unwrap().starts_with("a test: notices of job live on ")
        );
        assert_eq!(headers["Auto-Submitted"], "auto-generated");
        assert!(headers["Message-ID"].as_str().unwrap().ends_with("@example.org>"));
        assert!(headers["Date"].is_string(), "{headers}");
        assert!(letter["text"].as_str().unwrap().contains("arrive"));
        // A mailbox shows letters of one name once.
        known(notify(&root, &server, tls)).run().ok();
        let again = &letters(&root)[1]["headers"];
        assert_ne!(headers["Message-ID"], again["Message-ID"]);
    }
}

/// A row of `trades.csv` of this slot.
fn row(n: usize, event: &str) -> String {
    let now = SystemClock.now().get();
    let ts = now - now.rem_euclid(300_000);
    format!("demo,BTC/USD,5m,{ts},{n:04x},{event},long,43210.5,0.0123,0.53,-12.5,target_hit,0\n")
}

#[test]
fn events_of_a_ledger_arrive_as_letters_and_many_of_them_as_one() {
    let root = root();
    let Some(server) = MailServer::start(&root, "starttls") else { return };
    let call = serve(&root, "").env("DATA_TAG", "paper").env("CCXT_EXCHANGE", "demo");
    let call = call.env("SSL_CERT_FILE", Server::CERTIFICATE).env("MJOLNIR_SMTP_TLS", "starttls");
    let call = call.env("MJOLNIR_SMTP_SERVER", &format!("127.0.0.1:{}", server.port));
    let call = call.env("MJOLNIR_MAIL_FROM", "box@example.org");
    let call = call.env("MJOLNIR_MAIL_TO", "ann@example.org");
    let call = call.env("MJOLNIR_SMTP_USER", "ann").env("MJOLNIR_SMTP_PASSWORD", "s3cr3t");
    let service = call.start();
    until_up(&root, &service);
    until("it looks at the ledger", || {
        let place = "live/paper/demo/BTC_USD/5m/trades";
        store(&root).notice_place(place).is_ok_and(|found| found.is_some())
    });
    let mut text = format!("{TRADES_HEADER}\n{}", row(0, "open"));
    root.write(&trades("paper"), &text);
    until("the first letter", || letters(&root).len() == 1);
    for n in 1..=300 {
        text += &row(n / 2, if n % 2 == 1 { "close" } else { "open" });
    }
    // In one piece: what is looked at meanwhile is the ledger before or behind it.
    root.write("trades.new", &text);
    root.rename("trades.new", &trades("paper"));
    until("the digest", || letters(&root).len() == 2);
    service.signal("TERM");
    let said = service.end().code(0);
    let all = letters(&root);
    let subject = |n: usize| all[n]["headers"]["Subject"].as_str().unwrap().to_owned();
    let body = |n: usize| all[n]["text"].as_str().unwrap().to_owned();
    assert_eq!(subject(0), "opened long 0.0123 BTC/USD at 43210.5 (target_hit) (paper)");
    assert!(body(0).contains("next: runner why --tag paper --at 20"), "{}", body(0));
    assert_eq!(subject(1), "300 events: 150 entry, 150 exit");
    let lines = body(1).lines().filter(|line| line.contains(" paper: ")).count();
    assert_eq!(lines, 20, "{}", body(1));
    assert!(body(1).contains("result -3750.0") && body(1).contains("and 280 more"), "{}", body(1));
    assert_ne!(all[0]["headers"]["Message-ID"], all[1]["headers"]["Message-ID"]);
    let kept = root.files("data").into_iter().map(|(_, text)| text).collect::<String>();
    assert!(!kept.contains("s3cr3t") && !said.to_string().contains("s3cr3t"));
}

#[test]
fn what_a_mail_server_refuses_is_said_without_a_secret_and_nothing_is_sent_in_the_open() {
    let root = root();
    let Some(tls) = MailServer::start(&root, "implicit") else { return };
    let Some(starttls) = MailServer::start(&root, "starttls") else { return };
    let Some(plain) = MailServer::start(&root, "plain") else { return };
    let stranger = notify(&root, &tls, "implicit").env("MJOLNIR_SMTP_USER", "ann");
    refused(&stranger.env("MJOLNIR_SMTP_PASSWORD", "s3cr3t").run(), "certificate");
    let wrong = known(notify(&root, &tls, "implicit")).env("MJOLNIR_SMTP_PASSWORD", "s3cr3t-not");
    refused(&wrong.run(), "535");
    refused(&known(notify(&root, &plain, "starttls")).run(), "STARTTLS");
    refused(&known(notify(&root, &starttls, "none")).run(), "uthentication");
    for (to, why) in [("full@example.org", "452"), ("none@example.org", "550")] {
        refused(&known(notify(&root, &tls, "implicit")).env("MJOLNIR_MAIL_TO", to).run(), why);
    }
    assert!(letters(&root).is_empty());
    let none = known(notify(&root, &plain, "none"));
    drop(plain);
    refused(&none.run(), "efused");
}

#[test]
fn what_e_mail_lacks_is_said_by_check() {
    let root = root();
    for (variables, expected) in [
        (vec![("MJOLNIR_MAIL_TO", "")], "`notify.email.to` is missing"),
        (vec![("MJOLNIR_MAIL_FROM", "box")], "`notify.email.from` is not an e-mail address"),
        (vec![("MJOLNIR_MAIL_TO", "a@b, c")], "`notify.email.to` is not an e-mail address"),
        (vec![("MJOLNIR_SMTP_SERVER", "https://x")], "`notify.email.server` is not a mail server"),
        (vec![("MJOLNIR_SMTP_TLS", "none")], "the server is not on this machine"),
        (vec![("MJOLNIR_SMTP_TLS", "tls")], "notify.email.tls"),
        (vec![], ""),
    ] {
        let mut call = root.call("check jobs/live.toml");
        let all = [
            ("MJOLNIR_SMTP_SERVER", "mail.example.org:465"),
            ("MJOLNIR_MAIL_FROM", "box@example.org"),
            ("MJOLNIR_MAIL_TO", "ann@example.org"),
        ];
        for (name, value) in all.into_iter().chain(variables) {
            call = call.env(name, value);
        }
        let ran = call.run();
        if expected.is_empty() {
            ran.ok();
        } else {
            ran.code(78).says(&[expected]);
        }
    }
    // What secrets hold is read where it is used.
    let half = root.call("notify live").env("MJOLNIR_SMTP_SERVER", "mail.example.org");
    let half = half.env("MJOLNIR_MAIL_FROM", "a@b").env("MJOLNIR_MAIL_TO", "a@b");
    half.env("MJOLNIR_SMTP_USER", "ann").run().code(78).says(&["one of `user` and `password`"]);
}
