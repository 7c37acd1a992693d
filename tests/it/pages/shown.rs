//! What pages say: of an empty box, of a loop, of many runs, and of what does not exist.

use serde_json::Value;

use super::{PAGES, get, pages, run, store};
use crate::{e2e::fixture::ledger, support::runner::Root};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a document")
}

#[test]
fn every_page_of_an_empty_box_says_that_it_is_empty() {
    let root = Root::new();
    let server = pages(&root);
    for path in PAGES {
        let answer = get(&server, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let document = path.starts_with("/api/");
        let kind = if document {
            "application/json"
        } else if path.contains("icon") {
            "image/svg+xml"
        } else {
            "text/html"
        };
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{path}: {}", answer.head);
        if document && path != "/api/v1/openapi.json" {
            assert!(
                json(&answer.body)["schema"].as_str().unwrap().starts_with("mjolnir."),
                "{path}"
            );
        }
    }
    for (path, says) in [
        ("/", "No loop has decided anything here yet"),
        ("/runs", "No run matches"),
        ("/reports", "No job has left a report yet"),
        ("/proofs", "No loop has a ledger here yet"),
    ] {
        assert!(get(&server, path).body.contains(says), "{path}");
    }
    assert!(!get(&server, "/").body.contains("Sweeps"), "there are none");
    std::fs::create_dir_all(root.at("data/sweeps")).unwrap();
    assert!(get(&server, "/").body.contains("/sweeps"));
    assert!(get(&server, "/sweeps").body.contains("No sweep is here yet"));
    assert_eq!(get(&server, "/sweeps/none").status, 404);
}

#[test]
fn a_stroke_behind_an_address_changes_nothing() {
    let root = Root::new();
    let server = pages(&root);
    for path in ["/runs/", "/jobs/", "/jobs/live/", "/reports/", "/api/v1/status/"] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[test]
fn a_sweep_has_its_page_and_its_document() {
    let root = Root::new();
    let days = "from=2020-01-01T00:00:00Z to=2020-03-01T00:00:00Z";
    root.run(&format!("run made-up -p exchange=demo timeframe=4h {days}")).ok();
    root.run("run demo-sweep -p exchange=demo timeframe=4h null-sweeps=1 --set sweep.min-trades=0 sweep.hold-out=0d sweep.over.fast=[2,3] sweep.over.slow=[8,12]");
    let server = pages(&root);
    let all = json(&get(&server, "/api/v1/sweeps").body);
    let id = all["sweeps"][0]["id"].as_str().expect("a sweep").to_owned();
    let document = json(&get(&server, &format!("/api/v1/sweeps/{id}")).body);
    let written = json(&root.read(&format!("data/sweeps/{id}/sweep.json")));
    assert_eq!(document["sweep"], written);
    assert_eq!(
        (&document["status"]["played"], &document["status"]["state"]),
        (&4.into(), &"over".into())
    );
    let listed = get(&server, "/sweeps").body;
    let verdict = written["verdict"]["verdict"].as_str().expect("a verdict");
    assert!(listed.contains(&format!("/sweeps/{id}")) && listed.contains(verdict), "{listed}");
    let page = get(&server, &format!("/sweeps/{id}"));
    assert!(page.status == 200 && page.body.contains("heat map"), "{}", page.body);
    assert!(page.head.contains("default-src 'none'") && page.head.contains("script-src 'self'; "));
    // One that is not over says how far it is.
    root.remove(&format!("data/sweeps/{id}/sweep.html"));
    let going = get(&server, &format!("/sweeps/{id}")).body;
    assert!(going.contains("4 of 4 trials"), "{going}");
}

#[test]
fn what_does_not_exist_is_said_with_its_status() {
    let root = Root::new();
    let server = pages(&root);
    for (path, status) in [
        ("/nowhere", 404),
        ("/runs/none", 404),
        ("/runs/..", 404),
        ("/jobs/none", 404),
        ("/loops/paper/BTC_USD/5m", 404),
        ("/reports/live/none", 404),
        ("/runs?state=odd", 400),
        ("/runs?since=noon", 400),
        ("/runs?page=x", 400),
        ("/api/v1/none", 404),
        ("/api/v1/loops/a/b/c/bars", 404),
        ("/static/style.css", 404),
        ("/compare/x", 404),
    ] {
        let answer = get(&server, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        if path.starts_with("/api/") {
            assert_eq!(json(&answer.body)["schema"], "mjolnir.error/1", "{path}");
        }
    }
}

/// Every path that the description names is answered, and every document that is answered is described.
#[test]
fn the_description_of_the_api_is_true() {
    let root = ledger("2024-01-02T00:00:00Z");
    let server = pages(&root);
    let described = json(&get(&server, "/api/v1/openapi.json").body);
    let newest = json(&get(&server, "/api/v1/runs?limit=1").body)["runs"][0]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (path, item) in described["paths"].as_object().unwrap() {
        // Of a stream there is no end, and of a sweep there is none here.
        if path.ends_with("/live") || path.ends_with("{sweep}") {
            continue;
        }
        let named = path
            .replace("{tag}", "paper")
            .replace("{symbol}", "BTC_USD")
            .replace("{timeframe}", "5m")
            .replace("{run}", &newest);
        let named = named.replace("/compare", "/compare?a=paper&b=paper");
        let answer = get(&server, &named);
        assert_eq!(answer.status, 200, "{named}: {}", answer.body);
        let content = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if let Some(expected) = content["properties"]["schema"]["const"].as_str() {
            assert_eq!(json(&answer.body)["schema"], expected, "{named}");
        }
    }
}

#[test]
fn a_loop_is_shown_as_its_ledger_has_it() {
    let root = ledger("2024-01-03T00:00:00Z");
    let server = pages(&root);
    let rows = root.read("data/processed/decisions/paper/BTC_USD/5m/decisions.csv");
    let rows: Vec<Vec<&str>> = rows.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let last = rows.last().unwrap();
    let api =
        |what: &str| json(&get(&server, &format!("/api/v1/loops/paper/BTC_USD/5m{what}")).body);
    // The newest decisions.
    let decisions = api("/decisions?limit=50")["decisions"].as_array().unwrap().clone();
    assert_eq!(decisions.len(), 50);
    for (got, row) in decisions.iter().rev().zip(rows.iter().rev()) {
        assert_eq!(got["ts_ms"].to_string(), row[3]);
        assert_eq!(
            (got["decision"].as_str(), got["reason"].as_str()),
            (Some(row[4]), Some(row[5]))
        );
        assert_eq!(got["equity"].as_f64(), row[12].parse().ok());
    }
    let after = &rows[rows.len() - 3][3];
    assert_eq!(api(&format!("/decisions?after={after}"))["decisions"].as_array().unwrap().len(), 2);
    let (least, most) = (i64::MIN, i64::MAX);
    let many = |what: String| api(&what)["decisions"].as_array().unwrap().len();
    assert_eq!(many(format!("/decisions?after={least}&limit=5000")), rows.len());
    assert_eq!(many(format!("/decisions?after={most}")), 0);
    // Bars: as they are stored, and put together.
    let from = "2024-01-02T00:00:00Z";
    let bars = api(&format!("/bars?from={from}&max=2000"));
    assert_eq!((&bars["level_ms"], &bars["bar_ms"]), (&300_000.into(), &300_000.into()));
    let closes: Vec<f64> =
        bars["bars"].as_array().unwrap().iter().map(|bar| bar[4].as_f64().unwrap()).collect();
    let day = rows
        .iter()
        .filter(|row| row[3].parse::<i64>().unwrap() > 1_704_153_600_000 && !row[9].is_empty());
    assert_eq!(closes, day.map(|row| row[9].parse::<f64>().unwrap()).collect::<Vec<_>>());
    let fewer = api(&format!("/bars?from={from}&max=24"));
    assert_eq!(fewer["level_ms"], 2 * 3_600_000);
    let fewer = fewer["bars"].as_array().unwrap();
    assert!(fewer.len() <= 25, "{}", fewer.len());
    assert_eq!(fewer.last().unwrap()[4].as_f64(), closes.last().copied());
    // Over them: every fill of the window.
    let over = api(&format!("/over?from={from}"));
    let trades = root.read("data/processed/trades/paper/BTC_USD/5m/trades.csv");
    let fills = trades
        .lines()
        .skip(1)
        .filter(|row| row.split(',').nth(3).unwrap().parse::<i64>().unwrap() > 1_704_153_600_000);
    assert_eq!(over["fills"].as_array().unwrap().len(), fills.count());
    let skipped: u64 =
        over["skipped"].as_array().unwrap().iter().map(|one| one["slots"].as_u64().unwrap()).sum();
    let skips = rows
        .iter()
        .filter(|row| row[3].parse::<i64>().unwrap() > 1_704_153_600_000 && row[4] == "skip");
    assert_eq!(skipped, skips.count() as u64);
    // The page itself, its place in the box, and why.
    let page = get(&server, "/loops/paper/BTC_USD/5m");
    assert!(
        page.status == 200 && page.body.contains(&format!("data-ts=\"{}\"", last[3])),
        "{}",
        page.body
    );
    assert!(get(&server, "/").body.contains("/loops/paper/BTC_USD/5m"));
    let why = get(&server, &format!("/loops/paper/BTC_USD/5m/why?at={}", last[3]));
    assert!(why.status == 200 && why.body.contains("ema_cross_up"), "{}", why.body);
    assert_eq!(api("/why")["schema"], "mjolnir.why/1");
    assert_eq!(
        get(&server, "/loops/paper/BTC_USD/5m/why?at=5").status,
        404,
        "before the first row"
    );
}

#[test]
fn runs_are_filtered_and_paged() {
    let root = Root::new();
    let store = store(&root);
    for n in 0..130 {
        let job = if n % 10 == 0 { "rare" } else { "often" };
        store.start(&run(&format!("r{n:03}"), job, n * 60_000, "done")).unwrap();
    }
    let server = pages(&root);
    let first = get(&server, "/runs").body;
    assert!(
        first.contains("1 to 50 of 130")
            && first.contains("/runs/r129")
            && !first.contains("/runs/r079\"")
    );
    let last = get(&server, "/runs?page=3").body;
    assert!(last.contains("101 to 130 of 130") && last.contains("/runs/r000"));
    assert!(get(&server, "/runs?page=9").body.contains("There are only 3 pages"));
    let rare = get(&server, "/runs?job=rare").body;
    assert!(rare.contains("1 to 13 of 13") && !rare.contains("/runs/r001"));
    assert!(get(&server, "/runs?state=failed").body.contains("No run matches"));
    let part = json(&get(&server, "/api/v1/runs?job=often&limit=5&page=2").body);
    assert_eq!((&part["total"], part["runs"].as_array().unwrap().len()), (&117.into(), 5));
    // 1,700,000,000,000 ms is 2023-11-14T22:13:20Z.
    let between = json(
        &get(&server, "/api/v1/runs?since=2023-11-14T22:14:00Z&until=2023-11-14T22:17:00Z").body,
    );
    assert_eq!(between["total"], 3);
}
