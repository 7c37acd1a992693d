//! What a person does through the pages of `runner serve --operate`: the same rows and requests as the verbs, for whoever has the token.

use std::net::SocketAddr;

use mjolnir::{
    serve::http::Server,
    store::runs::{Pause, PauseEnd, RunFilter, RunRecord, RunState},
};

use super::{Answer, acting_pages, at, get, pages, send, store};
use crate::{
    e2e::fixture::{ledger, live},
    serve::fixture::{empty, job, until},
    support::runner::Root,
};

/// The token of a box whose pages act.
fn token(root: &Root) -> String {
    root.read("data/state/operate.token").trim().to_owned()
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// The body of a form.
fn body(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", escaped(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn post(at: SocketAddr, path: &str, headers: &str, body: &str) -> Answer {
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {at}\r\n{kind}{headers}");
    send(at, format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
}

/// Sends a form as a browser does that shows a page of the service.
fn acted(server: &Server, root: &Root, fields: &[(&str, &str)]) -> Answer {
    let at = server.address();
    let token = token(root);
    let fields = [fields, &[("token", token.as_str())]].concat();
    let headers = format!("Origin: http://{at}\r\nSec-Fetch-Site: same-origin\r\n");
    post(at, "/act", &headers, &body(&fields))
}

const WHY: [(&str, &str); 2] = [("reason", "a \"test\", <b>bold</b>"), ("who", "ann")];

#[test]
fn without_operate_nothing_takes_a_post_and_no_page_offers_an_act() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = pages(&root);
    for path in ["/act", "/api/v1/act", "/", "/runs"] {
        let answer = post(server.address(), path, "", "do=halt&of=paper");
        assert_eq!(answer.status, 405, "{path}: {}", answer.body);
        assert!(answer.head.contains("allow: GET, HEAD\r\n"), "{}", answer.head);
    }
    assert_eq!(get(&server, "/act?do=halt&of=paper").status, 404);
    for path in ["/loops/paper/BTC_USD/5m", "/jobs/live"] {
        assert!(!get(&server, path).body.contains("/act?"), "{path}");
    }
    assert!(!root.at("data/state/operate.token").exists());
}

#[test]
fn an_order_leaves_the_row_that_the_verb_leaves() {
    let [one, other] = [ledger("2024-01-02T00:00:00Z"), ledger("2024-01-02T00:00:00Z")];
    let server = acting_pages(&one);
    let page = get(&server, "/loops/paper/BTC_USD/5m").body;
    for order in ["halt", "reduce", "resume", "flatten"] {
        assert!(page.contains(&format!("/act?do={order}&amp;of=paper")), "{order}");
        let asks = get(&server, &format!("/act?do={order}&of=paper"));
        assert!(asks.status == 200 && asks.body.contains("Every loop of this tag"), "{order}");
        let fields = [&[("do", order), ("of", "paper")][..], &WHY].concat();
        let done = acted(&server, &one, &fields);
        assert_eq!(done.status, 200, "{}", done.body);
        let says = format!("{order} for tag paper: takes effect at");
        assert!(done.body.contains(&says), "{}", done.body);
        let verb = other.call(&format!("{order} --tag paper --who ann --at next --reason"));
        verb.arg(WHY[0].1).run().ok();
        let rows = |root: &Root| root.read("data/processed/commands/paper.csv");
        assert_eq!(rows(&one), rows(&other), "{order}");
        assert!(rows(&one).lines().last().unwrap().contains(&format!(",{order},")), "{order}");
    }
    // The loop obeys it, as it does one of the verb.
    live(&one, "paper", "2024-01-02T01:00:00Z").run().ok();
    let last = one.read("data/processed/decisions/paper/BTC_USD/5m/decisions.csv");
    assert!(last.lines().last().unwrap().contains("HALTED"), "{last}");
}

#[test]
fn whoever_has_no_token_or_comes_from_elsewhere_changes_nothing() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = acting_pages(&root);
    let (at, token) = (server.address(), token(&root));
    let own = format!("Origin: http://{at}\r\n");
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let form = |token: Option<&str>, reason: &str| {
        let mut fields = vec![("do", "halt"), ("of", "paper"), ("reason", reason)];
        fields.extend(token.map(|token| ("token", token)));
        body(&fields)
    };
    let near = format!("{}{own}", bearer(&token));
    for (status, headers, body) in [
        (401, own.clone(), form(None, "x")),
        (401, own.clone(), form(Some(""), "x")),
        (403, own.clone(), form(Some("wrong"), "x")),
        (403, own.clone(), form(Some(&token[1..]), "x")),
        (403, bearer("wrong"), form(Some(&token), "x")),
        (403, "Origin: http://evil.example\r\n".to_owned(), form(Some(&token), "x")),
        (403, "Origin: null\r\n".to_owned(), form(Some(&token), "x")),
        (403, format!("{near}Sec-Fetch-Site: cross-site\r\n"), form(None, "x")),
        (400, near.clone(), form(None, "")),
        (400, near.clone(), form(None, "  ")),
        (400, near.clone(), "do=halt&reason=x".to_owned()),
        (400, near.clone(), "do=explode&of=paper&reason=x".to_owned()),
        (404, near.clone(), "do=halt&of=other&reason=x".to_owned()),
        (404, near.clone(), "do=run&of=none&reason=x".to_owned()),
        (404, near.clone(), "do=stop&of=none&reason=x".to_owned()),
        (409, near.clone(), format!("{}&form=of-an-earlier-start-1", form(None, "x"))),
        (413, near.clone(), format!("{}&x={}", form(None, "x"), "x".repeat(20_000))),
    ] {
        for path in ["/act", "/api/v1/act"] {
            let answer = post(at, path, &headers, &body);
            assert_eq!(answer.status, status, "{path} {headers} {body:.200}: {}", answer.body);
            assert!(!answer.body.contains(&token), "{}", answer.body);
        }
    }
    let unsigned = post(at, "/act", &own, &form(None, "x"));
    assert!(unsigned.head.contains("www-authenticate: Bearer"), "{}", unsigned.head);
    let plain = format!(
        "POST /act HTTP/1.1\r\nHost: {at}\r\nContent-Type: text/plain\r\n{near}Content-Length: 31\r\n\r\ndo=halt&of=paper&reason=because"
    );
    assert_eq!(send(at, plain.as_bytes()).status, 415);
    assert!(!root.at("data/processed/commands/paper.csv").exists(), "nothing was ordered");
    // The same with all that is needed is done: it was not the form that was wrong.
    let done = post(at, "/api/v1/act", &near, &form(None, "x"));
    assert!(done.status == 200 && done.body.contains("\"mjolnir.act/1\""), "{}", done.body);
    assert_eq!(root.rows("data/processed/commands/paper.csv"), 1);
}

/// What a page that was opened says its form is called.
fn form_of(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form\" value=\"").expect("a form has a name");
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_form_that_is_sent_twice_is_acted_on_once() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = acting_pages(&root);
    let form = form_of(&get(&server, "/act?do=halt&of=paper").body);
    let fields = [&[("do", "halt"), ("of", "paper"), ("form", form.as_str())][..], &WHY].concat();
    // One that fails can be sent again.
    let unsaid: Vec<_> = fields.iter().filter(|(name, _)| *name != "reason").copied().collect();
    assert_eq!(acted(&server, &root, &unsaid).status, 400);
    let all: Vec<Answer> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(|| acted(&server, &root, &fields))).collect();
        sent.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(all.iter().all(|answer| [200, 409].contains(&answer.status)));
    let again = acted(&server, &root, &fields);
    assert!(again.status == 200 && again.body.contains("was acted on once"), "{}", again.body);
    assert_eq!(root.rows("data/processed/commands/paper.csv"), 1);
    let next = form_of(&get(&server, "/act?do=halt&of=paper").body);
    assert_ne!(next, form);
}

#[test]
fn a_job_is_paused_and_resumed_as_by_the_verbs() {
    let [one, other] = [Root::new(), Root::new()];
    let server = acting_pages(&one);
    let pause = [&[("do", "pause"), ("of", "fetch")][..], &WHY].concat();
    assert_eq!(acted(&server, &one, &pause).status, 200);
    other.call("pause fetch --who ann --reason").arg(WHY[0].1).run().ok();
    let paused = |root: &Root| {
        let all = store(root).pauses().unwrap();
        all.into_iter().map(|(job, one)| (job, one.reason, one.who)).collect::<Vec<_>>()
    };
    assert_eq!(paused(&one), paused(&other));
    assert_eq!(paused(&one).len(), 1);
    assert!(get(&server, "/jobs/fetch").body.contains("/act?do=resume-job"));
    let up = [("reason", "it is <i>up</i>"), ("who", "bob")];
    let resume = [&[("do", "resume-job"), ("of", "fetch")][..], &up].concat();
    let done = acted(&server, &one, &resume);
    assert!(done.status == 200 && done.body.contains("job fetch is resumed by bob"));
    assert!(paused(&one).is_empty());
    assert_eq!(acted(&server, &one, &resume).status, 404, "it is not paused");
    // Who did both, and why, is where the verb leaves it.
    other.call("resume fetch --who bob --reason").arg(up[0].1).run().ok();
    let ended = |root: &Root| {
        let all = store(root).ended_pauses("fetch", 9).unwrap();
        let words = |(pause, end): (Pause, PauseEnd)| {
            (pause.who, pause.reason, end.who.unwrap(), end.reason)
        };
        all.into_iter().map(words).collect::<Vec<_>>()
    };
    let text = |text: &str| text.to_owned();
    let expected = [(text("ann"), text(WHY[0].1), text("bob"), text(up[0].1))];
    assert_eq!((ended(&one), ended(&other)), (expected.to_vec(), expected.to_vec()));
    let page = get(&server, "/jobs/fetch").body;
    let shown = "<bdi>bob</bdi>: <bdi>it is &lt;i&gt;up&lt;/i&gt;</bdi>";
    assert!(page.contains(shown) && page.contains("<bdi>ann</bdi>: <bdi>a &quot;test"), "{page}");
    let jobs: serde_json::Value = serde_json::from_str(&get(&server, "/api/v1/jobs").body).unwrap();
    let all = jobs["jobs"].as_array().unwrap();
    let fetch = all.iter().find(|job| job["job"] == "fetch").unwrap();
    assert_eq!(fetch["paused_before"][0]["ended_why"], up[0].1);
}

#[test]
fn a_job_runs_now_a_run_is_stopped_and_one_is_repeated() {
    let root = empty();
    root.write("jobs/j.toml", &job("j", "echo said; sleep 600", ""));
    root.write("jobs/bad.toml", &job("bad", "true", "[run]\ngrace = \"soon\""));
    let server = acting_pages(&root);
    let records = || -> Vec<RunRecord> { store(&root).list(&RunFilter::default()).unwrap() };
    let run = [&[("do", "run"), ("of", "j")][..], &WHY].concat();
    let done = acted(&server, &root, &run);
    assert_eq!(done.status, 200, "{}", done.body);
    let first = records().pop().unwrap();
    assert!(done.body.contains(&format!("run {} of job j was started", first.run_id)));
    let bad = acted(&server, &root, &[&[("do", "run"), ("of", "bad")][..], &WHY].concat());
    assert!(bad.status == 400 && bad.body.contains("grace"), "{}", bad.body);
    let given = |id: &str| {
        let info: serde_json::Value =
            serde_json::from_str(&root.read(&format!("data/runs/{id}/run.json"))).unwrap();
        info["given"].clone()
    };
    // Who started it, and why, is kept with it.
    let id = first.run_id.as_str();
    let asked = |id: &str| {
        // It is written a moment after the record.
        let path = format!("data/runs/{id}/run.json");
        until(&path, || !root.read(&path).is_empty());
        let info: serde_json::Value =
            serde_json::from_str(&root.read(&format!("data/runs/{id}/run.json"))).unwrap();
        (info["asked"]["who"].clone(), info["asked"]["reason"].clone())
    };
    assert_eq!(asked(id), ("ann".into(), WHY[0].1.into()));
    let page = get(&server, &format!("/runs/{id}")).body;
    assert!(page.contains("<bdi>ann</bdi>: <bdi>a &quot;test&quot;, &lt;b"), "{page}");
    root.run(&format!("show {id}")).ok().prints(&["ann: a \"test\", <b>bold</b>"]);
    // It is asked to end as `runner stop` asks it.
    until("it runs", || root.read(&format!("data/runs/{id}/output.log")).contains("said"));
    let stop = [&[("do", "stop"), ("of", id)][..], &WHY].concat();
    let stopped = acted(&server, &root, &stop);
    assert!(stopped.status == 200 && stopped.body.contains("is asked to stop"));
    until("it ends", || store(&root).get(&first.run_id).unwrap().unwrap().state.is_over());
    let over = store(&root).get(&first.run_id).unwrap().unwrap();
    assert_eq!(over.state, RunState::Cancelled);
    assert!(over.summary.contains("bold</b>, by ann"), "{}", over.summary);
    // Once more, with the same values.
    assert!(get(&server, &format!("/runs/{id}")).body.contains("/act?do=retry"));
    let retry = [&[("do", "retry"), ("of", id)][..], &WHY].concat();
    assert_eq!(acted(&server, &root, &retry).status, 200);
    let again = records().into_iter().find(|run| run.run_id != first.run_id).unwrap();
    assert_eq!(again.retry_of.as_ref(), Some(&first.run_id));
    assert_eq!(asked(again.run_id.as_str()), ("ann".into(), WHY[0].1.into()));
    assert_eq!(given(again.run_id.as_str()), given(id));
    let still = acted(
        &server,
        &root,
        &[&[("do", "retry"), ("of", again.run_id.as_str())][..], &WHY].concat(),
    );
    assert_eq!(still.status, 503, "it is not over: {}", still.body);
    root.run(&format!("stop {}", again.run_id)).ok();
    // One that waits is taken out of the queue.
    let waits =
        RunRecord::first("waits".parse().unwrap(), ("j", "exec"), RunState::Queued, at(0), "b");
    store(&root).start(&waits).unwrap();
    let stop = [&[("do", "stop"), ("of", "waits")][..], &WHY].concat();
    assert!(acted(&server, &root, &stop).body.contains("out of the queue"));
    assert_eq!(store(&root).get(&waits.run_id).unwrap().unwrap().state, RunState::Cancelled);
}

#[test]
fn a_step_that_waits_for_a_person_is_shown_and_approved() {
    let root = empty();
    let hostile = "send <b>it</b>?";
    let steps = format!(
        "[[step]]\nid = 'a'\nrun = ['sh', '-c', 'true']\n\
         [[step]]\nid = 'go'\nneeds = ['a']\napprove = '{hostile}'\nrun = ['sh', '-c', 'echo go >> ran']\n"
    );
    root.write("jobs/p.toml", &format!("manifest = 1\nname = 'p'\nkind = 'pipeline'\n{steps}"));
    let running = root.call("run p --run-id one").start();
    let server = acting_pages(&root);
    let api = |path: &str| -> serde_json::Value {
        serde_json::from_str(&get(&server, path).body).unwrap()
    };
    until("it asks", || get(&server, "/runs/one").body.contains("waits for a person"));
    let offered = "/act?do=approve&amp;of=one&amp;step=go";
    for path in ["/runs/one", "/jobs/p"] {
        let page = get(&server, path).body;
        assert!(page.contains(offered) && page.contains("send &lt;b&gt;it"), "{path}: {page}");
        let only_looks = get(&pages(&root), path).body;
        assert!(!only_looks.contains("/act?"), "{path}");
        assert!(only_looks.contains("runner approve one go --reason"), "{path}: {only_looks}");
    }
    assert!(get(&server, "/").body.contains("send &lt;b&gt;it"), "the box says it");
    let asks = serde_json::json!([{ "step": "go", "text": hostile }]);
    assert_eq!(api("/api/v1/status")["runs"][0]["asks"], asks);
    assert_eq!(api("/api/v1/runs/one")["steps"]["steps"][1]["state"], "asking");
    for (step, status) in [("a", 404), ("none", 404), ("", 400), ("go", 200)] {
        let form = get(&server, &format!("/act?do=approve&of=one&step={step}"));
        assert_eq!(form.status, status, "{step}: {}", form.body);
    }
    let approve = |step: &'static str| [("do", "approve"), ("of", "one"), ("step", step)];
    let unsigned = post(server.address(), "/act", "", &body(&approve("go")));
    assert_eq!(unsigned.status, 401);
    assert_eq!(acted(&server, &root, &[&approve("a")[..], &WHY].concat()).status, 404);
    assert_eq!(acted(&server, &root, &approve("go")).status, 400, "it wants a reason");
    assert!(root.read("ran").is_empty(), "nothing was approved");
    let form = form_of(&get(&server, "/act?do=approve&of=one&step=go").body);
    let fields = [&approve("go")[..], &WHY, &[("form", form.as_str())]].concat();
    let done = acted(&server, &root, &fields);
    assert!(done.status == 200 && done.body.contains("is approved by ann"), "{}", done.body);
    running.end().warns(&["waits for approval"]);
    assert_eq!(root.read("ran"), "go\n");
    let again = acted(&server, &root, &fields);
    assert!(again.status == 200 && again.body.contains("was acted on once"), "{}", again.body);
    let approval = &store(&root).approvals(&"one".parse().unwrap(), 1).unwrap()[0];
    assert_eq!((approval.who.as_str(), approval.reason.as_str()), ("ann", WHY[0].1));
    let page = get(&server, "/runs/one").body;
    assert!(page.contains("approved by <bdi>ann</bdi>") && !page.contains("/act?do=approve"));
    assert_eq!(get(&server, "/act?do=approve&of=one&step=go").status, 404, "it was answered");
}

#[test]
fn a_matrix_has_a_page_of_its_jobs() {
    let root = empty();
    let text = "manifest = 1\nname = 'm'\nkind = 'exec'\n[params.word]\ndefault = 'x'\n[matrix]\nword = ['one', 'two']\n[exec]\nrun = ['echo', '${params.word}']\n";
    root.write("jobs/m.toml", text);
    let server = acting_pages(&root);
    let all = get(&server, "/jobs/m");
    assert_eq!(all.status, 200, "{}", all.body);
    for name in ["m.one", "m.two"] {
        assert!(all.body.contains(&format!("href=\"/jobs/{name}\"")), "{}", all.body);
        let page = get(&server, &format!("/jobs/{name}"));
        assert!(page.status == 200 && page.body.contains("jobs/m.toml"), "{}", page.body);
        let run = [&[("do", "run"), ("of", name)][..], &WHY].concat();
        let done = acted(&server, &root, &run);
        assert!(done.status == 200, "{}", done.body);
        let ran = || store(&root).list(&RunFilter::default()).unwrap();
        until("it ran", || ran().iter().any(|run| run.job == name && run.state.is_over()));
    }
}

/// As a whole, like `runner run m` in a terminal: one after another, whichever fails.
#[test]
fn a_matrix_runs_as_a_whole_one_job_after_another() {
    let root = empty();
    let text = "manifest = 1\nname = 'm'\nkind = 'exec'\n[params.word]\ndefault = 'x'\n[matrix]\nword = ['one', 'two', 'three']\n\
                [exec]\nrun = ['sh', '-c', 'echo ${params.word} >> ran; while [ ! -e go ]; do sleep 0.05; done; [ ${params.word} = one ]']\n";
    root.write("jobs/m.toml", text);
    let server = acting_pages(&root);
    assert!(get(&server, "/jobs/m").body.contains("/act?do=run&amp;of=m\""));
    let asks = get(&server, "/act?do=run&of=m");
    assert!(asks.status == 200 && asks.body.contains("all 3 jobs of the matrix: m.one, m.two"));
    for of in ["nothing", "../m", "/etc/jobs/m", "m.four", ""] {
        let run = [&[("do", "run"), ("of", of)][..], &WHY].concat();
        assert!([400, 404].contains(&acted(&server, &root, &run).status), "{of}");
    }
    let run = [&[("do", "run"), ("of", "m")][..], &WHY].concat();
    let done = acted(&server, &root, &run);
    assert!(done.status == 200 && done.body.contains("of job m.one was started"), "{}", done.body);
    assert!(done.body.contains("2 more start after it"), "{}", done.body);
    let all = || store(&root).list(&RunFilter::default()).unwrap();
    until("the first one runs", || root.read("ran") == "one\n");
    assert_eq!(all().len(), 1, "the others wait for it");
    root.write("go", "");
    until("all ran", || all().iter().filter(|run| run.state.is_over()).count() == 3);
    assert_eq!(root.read("ran"), "one\ntwo\nthree\n");
    let mut runs = all();
    runs.reverse();
    let seen: Vec<_> = runs.iter().map(|run| (run.job.as_str(), run.state)).collect();
    let failed = RunState::Failed;
    let expected = [("m.one", RunState::Succeeded), ("m.two", failed), ("m.three", failed)];
    assert_eq!(seen, expected);
    for pair in runs.windows(2) {
        assert!(pair[0].ended.unwrap() <= pair[1].started, "{pair:?}");
    }
    for run in &runs {
        let page = get(&server, &format!("/runs/{}", run.run_id)).body;
        assert!(page.contains("<bdi>ann</bdi>: <bdi>a &quot;test"), "{page}");
    }
    // All of it is paused and resumed, too.
    let pause = [&[("do", "pause"), ("of", "m")][..], &WHY].concat();
    assert_eq!(acted(&server, &root, &pause).status, 200);
    assert_eq!(store(&root).pauses().unwrap().len(), 3);
    assert!(get(&server, "/jobs/m").body.contains("/act?do=resume-job&amp;of=m\""));
    let resume = [&[("do", "resume-job"), ("of", "m")][..], &WHY].concat();
    assert_eq!(acted(&server, &root, &resume).status, 200);
    assert!(store(&root).pauses().unwrap().is_empty());
}

/// What a run prints that was started through a page is bounded as that of every other run.
#[test]
fn the_output_of_a_run_that_a_page_started_is_bounded() {
    let root = empty();
    let line = "a line that is said again and again";
    let says = format!(
        "n=0; while [ $n -lt 20000 ]; do n=$((n+1)); echo \\\"{line}\\\"; done; echo the end"
    );
    root.write(
        "jobs/j.toml",
        &format!("manifest = 1\nname = 'j'\nkind = 'exec'\n[exec]\nrun = [\"sh\", \"-c\", \"{says}\"]\n[logs]\nmax-size = '100 KiB'\n"),
    );
    let server = acting_pages(&root);
    let run = [&[("do", "run"), ("of", "j")][..], &WHY].concat();
    assert_eq!(acted(&server, &root, &run).status, 200);
    let all = || store(&root).list(&RunFilter::default()).unwrap();
    until("it ran", || all()[0].state == RunState::Succeeded);
    let dir = format!("data/runs/{}", all()[0].run_id);
    let kept = || {
        let len = |name: &str| root.at(&format!("{dir}/{name}")).metadata().map_or(0, |m| m.len());
        len("output.log") + len("output.log.1")
    };
    until("the rest is cut away", || kept() <= 110_000);
    let text = root.read(&format!("{dir}/output.log.1")) + &root.read(&format!("{dir}/output.log"));
    assert!(text.contains("the end"), "its end is kept");
}

#[test]
fn a_service_that_operates_says_who_did_what_in_its_log() {
    let root = ledger("2024-01-02T00:00:00Z");
    root.write(".env", "DATA_TAG=paper\nCCXT_EXCHANGE=demo\n");
    let service = root.call("serve --listen 127.0.0.1:0 --operate").start();
    let address = || -> Option<SocketAddr> {
        let tick: serde_json::Value =
            serde_json::from_str(&root.read("data/state/scheduler.json")).ok()?;
        tick["listen"].as_str()?.parse().ok()
    };
    until("it listens", || address().is_some());
    let at = address().unwrap();
    let headers = format!("Authorization: Bearer {}\r\n", token(&root));
    let form = body(&[("do", "halt"), ("of", "paper"), ("reason", "look at it"), ("who", "ann")]);
    let done = post(at, "/api/v1/act", &headers, &form);
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(root.rows("data/processed/commands/paper.csv"), 1);
    until("its log", || {
        root.read("data/state/scheduler.log").contains("by ann (look at it): halt paper")
    });
    service.signal("TERM");
    let ran = service.end();
    for (path, text) in root.files("data") {
        let holds = text.contains(token(&root).as_str());
        assert_eq!(holds, path.ends_with("operate.token"), "{path} holds the token");
    }
    assert!(!ran.stdout.contains(&token(&root)) && !ran.stderr.contains(&token(&root)));
}
