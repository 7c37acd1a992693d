//! A strategy of one's own: written, checked, replayed with a death in between, proved, looked at.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{runner::Root, skip};

const MINE: &str = r#"manifest = 1
[strategy]
require = ["short < long"]
[strategy.params]
short = { default = 8, min = 2, max = 50 }
long = { default = 24 }
[strategy.let]
f = "ema(close, short)"
s = "ema(close, long)"
calm = "tf('1h', atr(5) / close < 0.05)"
[[strategy.enter]]
rule = "up"
side = "long"
when = "crosses_above(f, s) and rsi(close, 14) < 75 and calm"
[[strategy.enter]]
rule = "down"
side = "short"
when = "crosses_below(f, s) and calm and stops_in_a_row < 3"
[[strategy.exit]]
rule = "tired"
when = "bars_held >= 60 or profit_r > 4 or (held > 0 and crosses_below(f, s))"
[strategy.protect]
stop = "2 * atr(14)"
break-even-at = "1.5 * atr(14)"
trail = "3 * atr(14)"
trail-from = "2 * atr(14)"
[strategy.size]
mode = "risk"
risk-pct = 0.5
max-notional = 5000
"#;

const SPAN: &str = "from=2024-01-01T00:00:00Z to=2024-01-05T00:00:00Z";
const DECISIONS: &str = "data/processed/decisions/mine/BTC_USD/5m/decisions.csv";

fn played() -> Root {
    let root = Root::new();
    root.write("strategies/mine.toml", MINE);
    root.run("check strategies/mine.toml").ok();
    let live = format!("run live -P mine -p tag=mine exchange=demo feed=synthetic {SPAN}");
    assert_eq!(root.run(&format!("{live} crash-after-bars=500")).code, 137);
    root.run(&live).ok();
    root
}

#[test]
fn a_strategy_of_ones_own_is_killed_goes_on_and_is_proved() {
    let root = played();
    let eqflat = "run eqflat -P mine -p tag=mine exchange=demo";
    root.run(&format!("{eqflat} runid=e1")).ok().prints(&["Result: PASS"]);
    let trades = root.read("data/processed/trades/mine/BTC_USD/5m/trades.csv");
    for rule in [",open,up", ",open,down", "exit_signal", "stop_hit"] {
        let words: Vec<&str> = rule.trim_start_matches(',').split(',').collect();
        let found = trades.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{rule}: {trades}");
    }
    // Another number is another strategy, for the loop and for the proof.
    let live = format!("run live -P mine -p tag=mine exchange=demo feed=synthetic {SPAN} short=9");
    root.run(&live).code(78).says(&["strategy.params.short is 9, was 8"]);
    let ran = root.run(&format!("{eqflat} runid=e2 short=9"));
    assert_ne!(ran.code, 0, "{ran}");
    ran.prints(&["strategy.params.short is 9, was 8"]);
    // One that no row shows is told all the same.
    root.write("strategies/mine.toml", &MINE.replace("profit_r > 4", "profit_r > 400000"));
    let ran = root.run(&format!("{eqflat} runid=e3"));
    ran.ok().prints(&["strategy.exit[0].when of tired is", "no row differs for it"]);
    // A param that changes no row: what follows from it is named.
    let given = MINE.replace("profit_r > 4", "profit_r > far");
    let given = given.replace("[strategy.params]\n", "[strategy.params]\nfar = { default = 4 }\n");
    root.write("strategies/mine.toml", &given);
    root.run(&format!("{eqflat} runid=e4 far=400000")).ok().prints(&[
        "strategy.params.far is 400000, was not there; strategy.exit[0].when of tired with it; no row",
    ]);
    // A rule with another name.
    root.write("strategies/mine.toml", &MINE.replace("\"tired\"", "\"weary\""));
    root.run(&format!("{eqflat} runid=e5"))
        .prints(&["different settings: exit rule tired is now called weary"]);
}

fn why(root: &Root, ts_ms: &str) -> Value {
    root.run(&format!(
        "why -P mine --tag mine --at {ts_ms} --json -p exchange=demo feed=synthetic {SPAN}"
    ))
    .ok()
    .json()
}

/// The clause of a text.
fn clause<'v>(of: &'v Value, text: &str) -> Option<&'v Value> {
    if of["text"] == text {
        return Some(of);
    }
    of["parts"].as_array().unwrap().iter().find_map(|part| clause(part, text))
}

/// What the rules say, by name: of entries and of exits.
fn said(document: &Value) -> BTreeMap<(String, String), Value> {
    let rules = document["look"]["rules"].as_array().unwrap();
    let key = |rule: &Value| {
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        (text("kind"), text("rule"))
    };
    rules.iter().map(|rule| (key(rule), rule["when"]["value"].clone())).collect()
}

#[test]
fn why_says_of_every_kind_of_row_what_the_row_says() {
    let root = played();
    let text = root.read(DECISIONS);
    let mut of_kind: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let kind = (cells[4].to_owned(), cells[5].to_owned());
        of_kind.entry(kind).or_default().push(line.to_owned());
    }
    assert!(of_kind.len() >= 6, "{:?}", of_kind.keys());
    for ((decision, reason), lines) in &of_kind {
        for line in [&lines[0], &lines[lines.len() / 2], &lines[lines.len() - 1]] {
            let document = why(&root, line.split(',').nth(3).unwrap());
            assert_eq!(document["row"], line.as_str());
            let look = &document["look"];
            match (decision.as_str(), reason.as_str()) {
                ("skip", "bar_missing") => assert!(look.is_null()),
                ("skip", reason) => assert_eq!(look["readiness"], reason),
                ("enter_long" | "enter_short", rule) => {
                    assert_eq!(
                        said(&document)[&("enter".to_owned(), rule.to_owned())],
                        true,
                        "{line}"
                    );
                }
                ("exit", "tired") => {
                    assert_eq!(
                        said(&document)[&("exit".to_owned(), "tired".to_owned())],
                        true,
                        "{line}"
                    );
                }
                (_, "no_signal") => {
                    let flat = look["held"].is_null();
                    for ((kind, rule), value) in said(&document) {
                        let silent = kind == "exit" && flat;
                        assert!(silent || value != true, "{line}: {rule} is true");
                    }
                }
                (_, _) => {}
            }
        }
    }
    // Both sides of a cross, now and one bar ago, also of one whose series have no name.
    let mut crossed = 0;
    for line in
        of_kind.iter().filter(|((_, reason), _)| reason == "up").flat_map(|(_, lines)| lines)
    {
        let document = why(&root, line.split(',').nth(3).unwrap());
        let rule = &document["look"]["rules"][0]["when"];
        let cross = clause(rule, "crosses_above(f, s)").unwrap();
        let part = |n: usize| {
            (cross["parts"][n]["text"].as_str(), cross["parts"][n]["value"].as_f64().unwrap())
        };
        let [f, s, f_before, s_before] = [0, 1, 2, 3].map(part);
        assert_eq!(
            [f, s, f_before, s_before].map(|(text, _)| text.unwrap()),
            ["f", "s", "f[1]", "s[1]"]
        );
        let has_crossed = f.1 > s.1 && f_before.1 <= s_before.1;
        assert_eq!(cross["value"], has_crossed, "{line}: {cross}");
        crossed += usize::from(has_crossed);
    }
    assert!(crossed > 3, "{crossed} crosses");
    let last =
        root.run(&format!("why -P mine --tag mine --last -p exchange=demo feed=synthetic {SPAN}"));
    last.ok().prints(&["enter up", "exit tired", "crosses_above(f, s)", "names", "distances"]);
    let nowhere = format!(
        "why -P mine --tag mine --at 2020-01-01T00:00:00Z -p exchange=demo feed=synthetic {SPAN}"
    );
    root.run(&nowhere).code(4).says(&["outside of the ledger"]);
}

#[test]
fn what_rules_see_is_the_same_in_csv_in_parquet_and_in_the_ledger() {
    let root = played();
    root.run("run made-up -p to=2024-01-05T00:00:00Z").ok();
    let words = "features backtest -P mine -p exchange=demo tag=mine runid=x";
    let csv = root.run(&format!("{words} --from 2024-01-02T00:00:00Z")).ok().stdout;
    root.run(&format!("{words} --from 2024-01-02T00:00:00Z --out seen.csv")).ok();
    assert_eq!(root.read("seen.csv"), csv);
    root.run(&format!("{words} --from 2024-01-02T00:00:00Z --out seen.parquet")).ok();
    root.run(&format!("{words} --out seen.xlsx")).code(2).says(&[".csv or .parquet"]);
    let header = csv.lines().next().unwrap();
    for name in ["ts_ms", "close", "calm", "f", "s", "enter.up", "enter.down", "exit.tired"] {
        assert!(header.split(',').any(|known| known == name), "{name}: {header}");
    }
    // Where a row of LIVE enters, the rule is true.
    let column = header.split(',').position(|name| name == "enter.up").unwrap();
    let truths: BTreeMap<&str, &str> = csv
        .lines()
        .skip(1)
        .map(|line| (line.split(',').next().unwrap(), line.split(',').nth(column).unwrap()))
        .collect();
    let mut entered = 0;
    for line in root.read(DECISIONS).lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[5] == "up"
            && let Some(truth) = truths.get(cells[3])
        {
            assert_eq!(*truth, "1", "{line}");
            entered += 1;
        }
    }
    assert!(entered > 3, "{entered} entries");
    let Some(python) = skip::python("pandas and pyarrow") else { return };
    let script = "import pandas as pd, sys
csv, packed = pd.read_csv('seen.csv'), pd.read_parquet('seen.parquet')
assert list(csv.columns) == list(packed.columns), (csv.columns, packed.columns)
assert (packed['ts_ms'] == csv['ts_ms']).all()
for name in csv.columns[1:]:
    ours, theirs = csv[name].astype(float), packed[name].astype(float)
    assert (ours.isna() == theirs.isna()).all() and (ours.dropna() == theirs.dropna()).all(), name
assert len(packed) > 800
";
    root.write("read.py", script);
    root.shell(&format!("'{python}' read.py")).code(0);
}

#[test]
fn words_are_listed_and_described() {
    let root = Root::new();
    root.run("functions").ok().prints(&["crosses_above", "supertrend", "bars_since_exit"]);
    root.run("functions rsi").ok().prints(&["rsi(x, n)", "lag"]);
    root.run("functions rssi").code(4).says(&["did you mean `rsi`?"]);
    let all = root.run("functions --json").ok().json();
    assert!(all["words"].as_array().unwrap().len() > 70, "{all}");
}

#[test]
fn the_rules_of_a_ledger_are_seen_as_it_was_decided() {
    let root = played();
    // Bars before its first slot, on which the same rules hold other positions.
    root.run("run made-up -p from=2023-12-20T00:00:00Z to=2024-01-07T00:00:00Z").ok();
    let seen = root.run("features -P mine --tag mine -p exchange=demo runid=x").ok().stdout;
    let header: Vec<&str> = seen.lines().next().unwrap().split(',').collect();
    let tired = header.iter().position(|known| *known == "exit.tired").unwrap();
    let rows: Vec<Vec<&str>> = seen.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let said: Vec<&str> = rows.iter().filter(|row| row[tired] == "1").map(|row| row[0]).collect();
    let decisions = root.read(DECISIONS);
    let decided: Vec<Vec<&str>> =
        decisions.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let with_bar = decided.iter().filter(|row| !row.contains(&"bar_missing")).count();
    assert_eq!(rows.len(), with_bar);
    // An entry of the other side goes first, and is a cross by which the exit is true as well.
    let left: Vec<&str> = decided
        .iter()
        .filter(|row| row[5] == "tired" || row[4] == "enter_short" && row[8] == "long")
        .map(|row| row[3])
        .collect();
    assert!(left.len() > 3, "{left:?}");
    assert_eq!(said, left);
    root.run("features -P mine --tag nobody -p exchange=demo runid=x").code(4);
    root.run("features -P mine --tag ../x -p exchange=demo runid=x").code(2).says(&["--tag"]);
}

#[test]
fn a_backtest_leaves_the_table_that_features_makes_of_its_ledger() {
    let root = played();
    // Bars before the first slot of LIVE, and behind its last one.
    root.run("run made-up -p from=2023-12-20T00:00:00Z to=2024-01-07T00:00:00Z").ok();
    let bytes = |path: &str| std::fs::read(root.at(path)).unwrap();
    let set = "--set backtest.on-existing=replace --set backtest.features=true";
    for tag in ["mine", "other"] {
        let table = format!("data/processed/decisions/{tag}_bt_b/BTC_USD/5m/features.parquet");
        let run = format!("run backtest -P mine -p tag={tag} exchange=demo runid=b {set}");
        root.run(&run).ok().prints(&[&table]);
        let features = format!("features -P mine --tag {tag}_bt_b -p exchange=demo runid=b");
        root.run(&format!("{features} --out seen.parquet")).ok();
        assert!(bytes(&table) == bytes("seen.parquet"), "{tag}");
        // A rule is true where the row has its name.
        let seen = root.run(&features).ok().stdout;
        let up =
            seen.lines().next().unwrap().split(',').position(|name| name == "enter.up").unwrap();
        let truths: BTreeMap<&str, &str> = seen
            .lines()
            .map(|line| (line.split(',').next().unwrap(), line.split(',').nth(up).unwrap()))
            .collect();
        let rows =
            root.read(&format!("data/processed/decisions/{tag}_bt_b/BTC_USD/5m/decisions.csv"));
        let entered: Vec<Vec<&str>> = rows
            .lines()
            .map(|line| line.split(',').collect())
            .filter(|row: &Vec<&str>| row[4] == "enter_long")
            .collect();
        assert!(entered.len() > 3 && entered.iter().all(|row| truths[row[3]] == "1"), "{tag}");
        // Rows that are written anew are not those of the table.
        let again = "--set backtest.on-existing=replace";
        root.run(&format!("run backtest -P mine -p tag={tag} exchange=demo runid=b {again}")).ok();
        assert!(!root.at(&table).exists());
    }
    let eqflat =
        "run eqflat -P mine -p tag=mine exchange=demo runid=e --set backtest.features=true";
    root.run(eqflat).code(78).says(&["`backtest.features` has no meaning in an eqflat job"]);
}

#[test]
fn check_and_explain_say_when_the_first_decision_comes() {
    let root = Root::new();
    root.write("strategies/slow.toml", &MINE.replace("'1h', atr(5)", "'4h', atr(50)"));
    let job = root.read("jobs/live.toml").replace("name = \"live\"", "name = \"slow\"");
    root.write(
        "jobs/slow.toml",
        &job.replace(
            "\"../profiles/market.toml\"",
            "\"../profiles/market.toml\", \"../strategies/slow.toml\"",
        ),
    );
    // 48 * (395 + 1) + 48 - 2 + 1 bars, of which the venue gives 719.
    let late = [
        "19055 bars of 5m",
        "kraken answers 720 bars back",
        "1528.0 hours",
        "runner run jobs/import.toml -p path=FILE exchange=kraken",
    ];
    root.run("check jobs/slow.toml").ok().says(&late);
    root.run("explain jobs/slow.toml").ok().prints(&late);
    let json = root.run("check jobs/slow.toml --json").ok().json();
    assert_eq!(json["problems"][0]["severity"], "warning", "{json}");
    assert_eq!(json["problems"][0]["file"], "jobs/slow.toml");
    let quiet = root.run("check jobs/live.toml").ok();
    assert!(!quiet.stderr.contains("first live start"), "{quiet}");
}

#[test]
fn a_slip_in_the_name_of_a_job_a_strategy_or_a_param_is_recognised() {
    let root = Root::new();
    root.run("run backtets -p exchange=demo").code(4).says(&["did you mean `backtest`?"]);
    let near = "run backtest -P golen -p tag=t exchange=demo runid=r";
    root.run(near).code(78).says(&["unknown profile `golen`", "did you mean `golden`?"]);
    root.run("run backtest -P replai -p tag=t exchange=demo runid=r")
        .code(78)
        .says(&["did you mean `replay`?"]);
    root.run("run backtest -P golden -p tag=t exchange=demo runid=r fsat=3")
        .code(78)
        .says(&["did you mean `fast`?"]);
    root.run("run backtest -P nothing_like_it -p tag=t runid=r")
        .code(78)
        .says(&["donchian", "ema_atr", "market"]);
}

/// It enters on the far side of its exit's cross: behind a hole nothing has passed that it must be left for.
const DIP: &str = r#"manifest = 1
[strategy]
sides = "long"
[strategy.let]
f = "ema(close, 20)"
s = "ema(close, 50)"
[[strategy.enter]]
rule = "dip"
side = "long"
when = "f < s and rsi(close, 14) < 30"
[[strategy.exit]]
rule = "cross"
when = "crosses_below(f, s)"
[strategy.protect]
stop = "20.0 * atr(14)"
"#;

#[test]
fn an_exit_is_made_up_for_only_where_its_cross_passed() {
    let root = Root::new();
    root.write("strategies/dip.toml", DIP);
    root.run("run made-up -p to=2024-02-15T00:00:00Z").ok();
    root.run("run backtest -P dip -p tag=o exchange=demo runid=b").ok();
    let seen = root.run("features backtest -P dip -p tag=o exchange=demo runid=b").ok().stdout;
    let header: Vec<&str> = seen.lines().next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let (f, s) = (at("f"), at("s"));
    // Whether the fast one is below, at every bar.
    let below: BTreeMap<i64, bool> = seen
        .lines()
        .skip(1)
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |n: usize| cells[n].parse::<f64>().ok();
            Some((cells[0].parse().ok()?, number(f)? < number(s)?))
        })
        .collect();
    let text = root.read("data/processed/decisions/o_bt_b/BTC_USD/5m/decisions.csv");
    let (mut exits, mut entry) = (0, 0_i64);
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let ts_ms: i64 = cells[3].parse().unwrap();
        if cells[4] == "enter_long" {
            entry = ts_ms;
        }
        if cells[4] == "exit" {
            exits += 1;
            let was_above = below.range(entry..ts_ms).any(|(_, below)| !below);
            assert!(was_above && below[&ts_ms], "no cross passed before {line}");
        }
    }
    assert!(exits > 10, "{exits} exits");
}

#[test]
fn why_of_a_replay_knows_the_commands_that_it_obeyed() {
    let root = Root::new();
    let span = "exchange=demo feed=synthetic from=2024-01-10T00:00:00Z to=2024-01-12T00:00:00Z";
    root.run(&format!("run live -P golden -p tag=m {span} max-bars=50"));
    for (order, at) in [("halt", "2024-01-10T12:00:00Z"), ("resume", "2024-01-10T18:00:00Z")] {
        root.run(&format!("{order} --tag m --reason t --at {at}")).ok();
    }
    root.run(&format!("run live -P golden -p tag=m {span}")).ok();
    let window = "start-ts-ms=1704844800000 end-ts-ms=1705017600000";
    root.run(&format!("run backtest -P golden -p tag=m exchange=demo runid=b {window}")).ok();
    let why = "why backtest -P golden -p tag=m exchange=demo runid=b";
    root.run(&format!("{why} --at 2024-01-10T06:00:00Z")).ok();
    root.run(&format!("{why} --at 2024-01-10T13:00:00Z")).ok().prints(&["skip (halted)"]);
    // A time between two closes.
    root.run(&format!("{why} --at 2024-01-10T13:02:33Z")).ok().prints(&[
        "(2024-01-10T13:00:00Z): skip (halted)",
        "2024-01-10T13:02:33Z is not the close of a bar: this is the last slot before it",
    ]);
}

#[test]
fn why_shows_the_size_of_an_entry_and_of_one_that_the_cash_does_not_allow() {
    let root = Root::new();
    root.run("run made-up -p to=2024-01-20T00:00:00Z").ok();
    let blocked = |size: &str, runid: &str, word: &str| {
        let given = format!("-P golden -p tag=m exchange=demo runid={runid} --set {size}");
        root.run(&format!("run backtest {given}")).ok();
        let path = format!("data/processed/decisions/m_bt_{runid}/BTC_USD/5m/decisions.csv");
        let text = root.read(&path);
        let row = text.lines().find(|line| line.contains(word)).expect("such a row");
        format!("why backtest {given} --at {}", row.split(',').nth(3).unwrap())
    };
    let entry = blocked("account.notional=1000", "a", ",enter_");
    root.run(&entry).ok().prints(&["size: 1000 asked, 10000 allowed"]);
    let blocked = blocked("account.notional=10000", "b", ",cash,");
    root.run(&blocked).ok().prints(&["blocked by cash", "size: 10000 asked, 9"]);
    let json = root.run(&format!("{blocked} --json")).ok().json();
    assert_eq!(json["look"]["size"]["asked"], 10000.0, "{json}");
}

#[test]
fn what_several_jobs_have_of_one_strategy_is_said_once() {
    let root = Root::new();
    let spare = MINE.replace("[strategy.let]", "[strategy.let]\nspare = \"sma(close, 9)\"");
    root.write("strategies/mine.toml", &spare);
    let said = root.run("check jobs/backtest.toml jobs/live.toml -P mine").ok();
    assert_eq!(said.stderr.matches("no rule reads `spare`").count(), 1, "{said}");
}
