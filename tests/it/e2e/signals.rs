//! A program in Python says what to hold: a backtest and a loop trade by it, and the loop's own copy is what is proved.

use super::fixture::{EVENING, NOON, decisions, live, trades};
use crate::support::runner::{Call, Root};

const PROGRAM: &str = "data/signals/robot.csv";
const WRITER: &str = "python3 strategies/examples/signal_writer.py";
/// 2024-01-01 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_704_067_200_000;

fn copy(tag: &str) -> String {
    format!("data/processed/signals/{tag}/BTC_USD/5m/signals.csv")
}

/// A folder with the strategy of the example, and the ledger `bars`, whose closes a program can read.
fn root() -> Root {
    let root = Root::new();
    root.write("strategies/signals.toml", &root.read("strategies/examples/signals.toml"));
    live(&root, "bars", EVENING).run().ok();
    root
}

/// The same after the program has spoken for every bar.
fn spoken() -> Root {
    let root = root();
    root.shell(&format!("{WRITER} {} robot 300000", decisions("bars"))).code(0);
    assert!(root.read(PROGRAM).lines().count() > 200, "a line for each bar");
    root
}

fn listening<'a>(root: &'a Root, tag: &str, to: &str) -> Call<'a> {
    live(root, tag, to).arg("-P").arg("signals")
}

fn eqflat<'a>(root: &'a Root, runid: &str) -> Call<'a> {
    let words = format!("run eqflat -P signals -p tag=paper exchange=demo runid={runid}");
    root.call(&words)
}

fn backtest<'a>(root: &'a Root, tag: &str) -> Call<'a> {
    root.call(&format!("run backtest -P signals -p tag={tag} exchange=demo runid=b1"))
}

/// A line of the program for a slot, counted from midnight.
fn line(n: i64, side: &str) -> String {
    format!("{},{side},by hand\n", MIDNIGHT_MS + n * 300_000)
}

#[test]
fn a_backtest_trades_by_the_file_of_the_program_and_why_reads_its_copy() {
    let root = spoken();
    root.run("check strategies/examples/signals.toml").ok();
    backtest(&root, "try").run().ok();
    let rows = root.read(&decisions("try_bt_b1"));
    for rule in ["enter_long,robot_long", "enter_short,robot_short", "robot_flat"] {
        assert!(rows.contains(rule), "{rule}");
    }
    assert!(root.rows(&trades("try_bt_b1")) > 4);
    let said = root.read(PROGRAM);
    root.write(PROGRAM, "");
    let why = "why backtest -P signals -p tag=try exchange=demo runid=b1 --at 2024-01-01T12:00:00Z";
    root.run(why).ok().prints(&["signal('robot')"]);
    // Without a line, with a bad one, and without the file.
    root.write(PROGRAM, &said.replacen(",long,", ",up,", 1));
    backtest(&root, "bad").run().warns(&["`up` is not long, short or flat: the line is skipped"]);
    root.remove(PROGRAM);
    backtest(&root, "none").run().warns(&["data/signals/robot.csv is not there"]);
    assert_eq!(root.rows(&trades("none_bt_b1")), 0);
}

#[test]
fn a_killed_loop_goes_on_by_its_copy_and_is_proved_by_it() {
    let root = spoken();
    let whole = listening(&root, "whole", EVENING).run();
    whole.ok();
    let run = listening(&root, "paper", EVENING).arg("-p").arg("speed=6000x").start();
    root.await_rows(&decisions("paper"), 40);
    run.signal("KILL");
    run.end().code(137);
    assert!(
        root.rows(&decisions("paper")) < root.rows(&decisions("whole")),
        "it was in the middle"
    );
    listening(&root, "paper", EVENING).run().code(0);
    for file in [decisions, trades, copy] {
        assert_eq!(root.read(&file("paper")), root.read(&file("whole")));
    }
    assert!(root.rows(&trades("paper")) > 4 && root.rows(&copy("paper")) > 200);
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
    // What the program does with its file afterwards is no input of the proof, nor of a start.
    root.write(PROGRAM, &line(1, "short"));
    eqflat(&root, "e2").run().ok().prints(&["Result: PASS"]);
    backtest(&root, "paper").run().ok();
    assert_eq!(root.read(&decisions("paper_bt_b1")), root.read(&decisions("paper")));
    listening(&root, "paper", EVENING).run().code(0);
}

#[test]
fn a_changed_copy_ends_a_start_and_a_proof_and_is_named() {
    let root = spoken();
    listening(&root, "paper", EVENING).run().ok();
    let whole = root.read(&copy("paper"));
    let changed = ["signals.csv", "was changed after LIVE used it"];
    for (from, to) in [(",long,", ",short,"), ("from the average", "from nowhere")] {
        root.write(&copy("paper"), &whole.replacen(from, to, 1));
        listening(&root, "paper", EVENING).run().code(65).says(&changed);
        eqflat(&root, "e1").run().code(65).says(&changed);
        backtest(&root, "paper").run().code(65).says(&changed);
    }
    let header = whole.lines().next().unwrap();
    root.write(&copy("paper"), &format!("{header}\n"));
    let taken = listening(&root, "paper", EVENING).run();
    taken.code(65).says(&["signals.csv", "it has 0 rows", "rows were taken away"]);
    // The last row alone: the position it speaks of is held already, and no row of the ledger would show it.
    let end = whole.trim_end().rfind('\n').unwrap() + 1;
    root.write(&copy("paper"), &whole[..end]);
    let taken = listening(&root, "paper", EVENING).run();
    taken.code(65).says(&["signals.csv", "rows were taken away"]);
    root.remove(&copy("paper"));
    let gone = ["signals.csv", "is missing, but the ledger was made with signals"];
    listening(&root, "paper", EVENING).run().code(65).says(&gone);
    eqflat(&root, "e2").run().code(65).says(&gone);
    root.write(&copy("paper"), &whole);
    listening(&root, "paper", EVENING).run().ok();
    eqflat(&root, "e3").run().ok().prints(&["Result: PASS"]);
    // Another wait is not another strategy, another age is.
    let example = root.read("strategies/signals.toml");
    root.write("strategies/signals.toml", &example.replace("10s", "5s"));
    listening(&root, "paper", EVENING).run().ok();
    root.write("strategies/signals.toml", &example.replace("wait =", "max-age = \"10m\"\nwait ="));
    let other = listening(&root, "paper", EVENING).run();
    other.code(78).says(&["strategy.signals.robot.max-age is 10m, was 5m"]);
}

#[test]
fn a_line_that_comes_too_late_is_not_copied() {
    let root = root();
    let early: String = (1..=60).map(|n| line(n, "long")).collect();
    root.write(PROGRAM, &early);
    listening(&root, "paper", NOON).run().ok();
    // Noon is slot 144.
    root.write(PROGRAM, &[early, line(100, "short"), line(160, "short")].concat());
    listening(&root, "paper", EVENING).run().ok();
    let used = root.read(&copy("paper"));
    let has = |n: i64| used.contains(&format!("\n{},robot,", MIDNIGHT_MS + n * 300_000));
    assert!(has(60) && !has(100) && has(160), "{used}");
    let short = format!("{},enter_short,robot_short", MIDNIGHT_MS + 160 * 300_000);
    assert!(root.read(&decisions("paper")).contains(&short));
    eqflat(&root, "e1").run().ok().prints(&["Result: PASS"]);
}
