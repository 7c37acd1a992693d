//! The operators' day: bars imported, LIVE played from them, continued, proved, replayed, and looked at with awk.

use mjolnir::domain::{bar::TimedBar, time::Timeframe};

use crate::support::{
    market::{csv, market},
    ran::Ran,
    runner::{Call, Root},
};

/// Midnight of the first imported day.
const START_MS: i64 = 1_704_067_200_000;
const HOUR_MS: i64 = 3_600_000;
const BARS: &str = "bars.csv";

/// Three days of bars, of which 16 in a row are missing inside the window that LIVE plays.
fn bars_with_a_hole(timeframe: Timeframe) -> (Vec<TimedBar>, usize) {
    let mut bars = market(timeframe, START_MS + timeframe.ms(), START_MS + 72 * HOUR_MS);
    let from = START_MS + 52 * HOUR_MS;
    let hole = from..from + 16 * timeframe.ms();
    let before = bars.len();
    bars.retain(|bar| !hole.contains(&bar.ts.ts_ms()));
    let gone = before - bars.len();
    (bars, gone)
}

/// Who is told how: the series and the tag by variables, or by `-p`.
#[derive(Clone, Copy)]
enum Told {
    ByVariables,
    ByParams,
}

struct Day {
    root: Root,
    told: Told,
    series: [&'static str; 3],
}

impl Day {
    fn call(&self, words: &str, tag: Option<&str>) -> Call<'_> {
        let names = [
            ("exchange", "CCXT_EXCHANGE"),
            ("symbol", "SYMBOL"),
            ("timeframe", "TIMEFRAME"),
            ("tag", "DATA_TAG"),
        ];
        let values = self.series.into_iter().map(Some).chain([tag]);
        let mut call = self.root.call(words);
        for ((param, variable), value) in names.into_iter().zip(values) {
            let Some(value) = value else { continue };
            call = match self.told {
                Told::ByVariables => call.env(variable, value),
                Told::ByParams => call.arg("-p").arg(&format!("{param}={value}")),
            };
        }
        call
    }

    fn ledger(&self, kind: &str, tag: &str) -> String {
        let [_, symbol, timeframe] = self.series;
        let symbol = symbol.replace('/', "_");
        format!("data/processed/{kind}/{tag}/{symbol}/{timeframe}/{kind}.csv")
    }

    fn play(&self, to: &str) -> Ran {
        let words =
            format!("run live -P replay -p source={BARS} from=2024-01-03T00:00:00Z to={to}");
        self.call(&words, Some("paper")).run().ok()
    }

    fn shell(&self, line: &str) -> String {
        self.root.shell(line).ok().stdout.trim().to_owned()
    }
}

fn a_day(told: Told, series: [&'static str; 3]) {
    let timeframe: Timeframe = series[2].parse().expect("a timeframe");
    let day = Day { root: Root::new(), told, series };
    let (bars, gone) = bars_with_a_hole(timeframe);
    assert!(gone >= 14, "the market itself leaves out few bars: {gone}");
    day.root.write(BARS, &csv(&bars));
    let imported = day.call(&format!("run import -p path={BARS}"), None).run().ok();
    imported.prints(&[&format!("{} bars written, 0 replaced", bars.len()), "gap: "]);

    day.play("2024-01-03T06:00:00Z").prints(&["the window is decided", "16 bar_missing"]);
    let (decisions, trades) = (day.ledger("decisions", "paper"), day.ledger("trades", "paper"));
    let first = [day.root.read(&decisions), day.root.read(&trades)];
    day.play("2024-01-03T06:00:00Z").prints(&["0 rows added"]);
    assert_eq!(first, [day.root.read(&decisions), day.root.read(&trades)], "nothing is added");
    day.play("2024-01-03T12:00:00Z");
    assert!(day.root.read(&decisions).starts_with(&first[0]), "C10: rows stay as they are");
    assert!(day.root.rows(&decisions) > first[0].lines().count(), "and new ones come");

    let proved = day.call("run eqflat", Some("paper")).run().ok();
    proved.prints(&["[decisions] PASS", "[trades] PASS", "Result: PASS", "bar_missing"]);
    replay_and_compare(&day, timeframe);
}

fn replay_and_compare(day: &Day, timeframe: Timeframe) {
    let live = day.ledger("decisions", "paper");
    let [first, last] = ["sed -n 2p", "tail -n 1"]
        .map(|cut| day.shell(&format!("{cut} {live} | awk -F, '{{print $4}}'")));
    let replay = |runid: &str, start: &str| {
        let call = day.call("run backtest", Some("paper"));
        call.env("RUNID", runid).env("START_TS_MS", start).env("END_TS_MS", &last).run().ok()
    };
    replay("whole", &first);
    // C13: the two ledgers diff clean, decisions and trades.
    for kind in ["decisions", "trades"] {
        let (live, whole) = (day.ledger(kind, "paper"), day.ledger(kind, "paper_bt_whole"));
        assert_eq!(day.shell(&format!("diff {live} {whole}")), "", "{kind}");
    }
    let compared = day.call("run equivalence", Some("paper")).env("RUNID", "whole").run().ok();
    compared.prints(&["Result: PASS", "RUNID=whole"]);

    // A replay that begins hours later is compared from where both are flat.
    let later = first.parse::<i64>().expect("a time") + 40 * timeframe.ms();
    replay("late", &later.to_string());
    let late = day.ledger("decisions", "paper_bt_late");
    assert_eq!(day.shell(&format!("sed -n 2p {late} | cut -d, -f4")), later.to_string());
    let compared = day.call("run equivalence", Some("paper")).env("RUNID", "late").run().ok();
    compared.prints(&["Result: PASS", &format!("Window overlap: [{later}, {last}]")]);
    let overlap = format!("awk -F, -v a={later} 'NR>1 && $4>=a {{print $15,$16}}'");
    let diff = format!("{overlap} {live} >l.txt; {overlap} {late} >b.txt; diff l.txt b.txt");
    assert_eq!(day.shell(&diff), "", "C6: bars and features know nothing of the start");

    // The lines that operators know by heart.
    let same = format!("awk -F, -v ts={last} '$4==ts' {live} {late} | cut -d, -f4 | uniq -c");
    assert_eq!(day.shell(&same), format!("2 {last}"));
    let steps = "NR>2 && $4-p!=tf {bad++} {p=$4} END {print bad+0}";
    let gaps = format!("awk -F, -v tf={} '{steps}' {live}", timeframe.ms());
    assert_eq!(day.shell(&gaps), "0", "C3: one row per slot");
    let skips =
        format!("awk -F, '$5==\"skip\" {{n[$6]++}} END {{print n[\"bar_missing\"]}}' {live}");
    assert!(day.shell(&skips).parse::<u32>().expect("a number") >= 16);
}

#[test]
fn c13_a_day_told_by_variables() {
    // The series the shipped jobs name: so equivalence needs DATA_TAG and RUNID alone.
    a_day(Told::ByVariables, ["kraken", "BTC/USD", "5m"]);
}

#[test]
fn c13_a_day_told_by_params() {
    a_day(Told::ByParams, ["binance", "ETH/USDT", "5m"]);
}

#[test]
fn equivalence_needs_tag_and_runid_alone() {
    let root = Root::new();
    let (bars, _) = bars_with_a_hole(Timeframe::M5);
    root.write(BARS, &csv(&bars));
    root.run(&format!("run import -p path={BARS}")).ok();
    let live = format!("run live -P replay -p source={BARS} from=2024-01-02T00:00:00Z");
    root.call(&format!("{live} to=2024-01-02T06:00:00Z")).env("DATA_TAG", "t").run().ok();
    root.run("run backtest -p tag=t runid=r").ok();
    let job = root.call("run jobs/equivalence.toml").env("DATA_TAG", "t").env("RUNID", "r");
    job.run().ok().prints(&["Result: PASS\nDATA_TAG=t\nRUNID=r\n"]);
    root.run("verify data/reports/eqflat/t/r/proof.json").ok();
}
