//! What is heard of a program, and what of it is used.

use std::path::Path;

use super::*;
use crate::{domain::signal::SignalSide, store::disk::RealDisk};

const MINUTE_MS: i64 = 60_000;

struct World {
    temp: tempfile::TempDir,
    disk: RealDisk,
    layout: Layout,
}

impl World {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (disk, layout) = (RealDisk::new(temp.path()), Layout::new(temp.path()));
        disk.create_dir_all(&layout.data().join("signals")).unwrap();
        Self { temp, disk, layout }
    }

    /// What a program has written, as a whole.
    fn write(&self, text: &str) {
        self.disk.replace(&self.layout.program_signal("robot"), text.as_bytes()).unwrap();
    }

    fn append(&self, text: &str) {
        self.disk.append(&self.layout.program_signal("robot"), text.as_bytes()).unwrap();
    }

    fn hearing(&self, signals: Signals) -> Hearing {
        let used = Used { signals, rows: Vec::new() };
        Hearing::new(&self.layout, Timeframe::M1, &used).unwrap()
    }

    fn shown(&self, said: &[String]) -> Vec<String> {
        let root = format!("{}/", self.temp.path().display());
        said.iter().map(|text| text.replace(&root, "")).collect()
    }
}

fn ts(n: i64) -> SlotTs {
    Timeframe::M1.slot(n * MINUTE_MS).unwrap()
}

fn rule(bars: i64) -> SignalRule {
    SignalRule {
        name: "robot".to_owned(),
        max_age_ms: bars * MINUTE_MS,
        absent_is_flat: false,
        wait_ms: 0,
    }
}

fn robot(bars: i64) -> Signals {
    Signals::new(vec![rule(bars)])
}

fn line(n: i64, side: &str) -> String {
    format!("{},{side},because\n", n * MINUTE_MS)
}

/// What is used at a slot.
fn due(hearing: &mut Hearing, n: i64) -> Vec<(i64, SignalSide)> {
    let due = hearing.due(ts(n));
    hearing.used(&due);
    due.lines.iter().map(|(_, line)| (line.ts.ts_ms() / MINUTE_MS, line.side)).collect()
}

#[test]
fn bad_lines_are_named_once_and_skipped_and_a_torn_one_waits() {
    use SignalSide::{Long, Short};
    let world = World::new();
    let header = format!("{SIGNAL_LINE_HEADER}\n");
    world.write(&[&header, &line(2, "long"), "90000,long,x\n", &line(2, "short"), "up\n"].concat());
    world.append("180000,sh");
    let (mut hearing, signals) = (world.hearing(robot(1)), robot(1));
    let said = world.shown(&hearing.listen(&world.disk, Some(ts(1)), &signals));
    let starts =
        ["data/signals/robot.csv:3: ", "data/signals/robot.csv:4: ", "data/signals/robot.csv:5: "];
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().zip(starts).all(|(text, start)| text.starts_with(start)), "{said:?}");
    assert!(said[0].contains("90000") && said[0].ends_with("the line is skipped"), "{said:?}");
    assert!(said[1].contains("does not come after the line before"), "{said:?}");
    assert_eq!(due(&mut hearing, 2), [(2, Long)]);
    assert!(hearing.has_heard("robot", ts(2)) && !hearing.has_heard("robot", ts(3)));
    world.append("ort,x\n");
    assert!(hearing.listen(&world.disk, Some(ts(2)), &signals).is_empty());
    assert!(hearing.has_heard("robot", ts(3)));
    assert_eq!(due(&mut hearing, 3), [(3, Short)]);
    assert!(due(&mut hearing, 4).is_empty());
}

#[test]
fn many_bad_lines_are_counted() {
    let world = World::new();
    world.write(&"nonsense\n".repeat(9));
    let said = world.hearing(robot(1)).listen(&world.disk, None, &robot(1));
    assert_eq!(said.len(), 4);
    assert!(said[3].ends_with("6 more such lines are skipped"), "{said:?}");
}

#[test]
fn a_line_that_comes_after_its_slot_is_said_and_not_used() {
    let world = World::new();
    world.write(&line(1, "long"));
    let (mut hearing, signals) = (world.hearing(robot(5)), robot(5));
    // What is old at a start is no news.
    assert!(hearing.listen(&world.disk, Some(ts(3)), &signals).is_empty());
    world.append(&line(3, "long"));
    world.append(&line(4, "short"));
    let said = hearing.listen(&world.disk, Some(ts(3)), &signals);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("came after that slot was decided"), "{said:?}");
    assert!(hearing.listen(&world.disk, Some(ts(3)), &signals).is_empty(), "it is said once");
    assert_eq!(due(&mut hearing, 4), [(4, SignalSide::Short)]);
}

#[test]
fn what_is_in_the_copy_is_not_used_again() {
    let world = World::new();
    world.write(&[line(3, "long"), line(4, "short")].concat());
    let mut signals = robot(1);
    // A death between the copy and its row leaves a line for a slot that is not decided.
    signals.learn("robot", ts(3), SignalSide::Long);
    signals.learn("robot", ts(4), SignalSide::Short);
    let mut hearing = world.hearing(signals.clone());
    assert!(hearing.listen(&world.disk, Some(ts(3)), &signals).is_empty());
    assert!(due(&mut hearing, 4).is_empty());
}

#[test]
fn at_the_first_slot_only_the_newest_line_is_used_and_only_where_it_speaks() {
    for (bars, want) in [(1, None), (2, None), (3, Some(4)), (9, Some(4))] {
        let world = World::new();
        world.write(&[line(2, "long"), line(4, "short"), line(9, "flat")].concat());
        let mut hearing = world.hearing(robot(bars));
        assert!(hearing.listen(&world.disk, None, &robot(bars)).is_empty());
        let used: Vec<i64> = due(&mut hearing, 6).iter().map(|(n, _)| *n).collect();
        assert_eq!(used, want.into_iter().collect::<Vec<_>>(), "{bars} bars");
        assert_eq!(due(&mut hearing, 9), [(9, SignalSide::Flat)]);
    }
}

#[test]
fn a_file_that_is_not_there_or_is_written_anew_is_said_and_read_from_its_first_line() {
    let world = World::new();
    let (mut hearing, mut signals) = (world.hearing(robot(1)), robot(1));
    let said = hearing.listen(&world.disk, None, &signals);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("data/signals/robot.csv is not there"), "{said:?}");
    assert!(hearing.listen(&world.disk, None, &signals).is_empty(), "it is said once");
    world.write(&[line(2, "long"), line(3, "long"), line(4, "long")].concat());
    assert!(hearing.listen(&world.disk, None, &signals).is_empty());
    assert_eq!(due(&mut hearing, 2), [(2, SignalSide::Long)]);
    signals.learn("robot", ts(2), SignalSide::Long);
    world.write(&[line(3, "short"), line(5, "short")].concat());
    assert!(hearing.listen(&world.disk, Some(ts(2)), &signals).is_empty());
    assert_eq!(due(&mut hearing, 3), [(3, SignalSide::Long)], "what was heard first counts");
    assert_eq!(due(&mut hearing, 4), [(4, SignalSide::Long)]);
    assert_eq!(due(&mut hearing, 5), [(5, SignalSide::Short)]);
}

#[test]
fn a_line_without_end_is_said_and_not_read_on() {
    let world = World::new();
    world.write(&line(2, "long"));
    world.append(&"x".repeat(1 << 21));
    let mut hearing = world.hearing(robot(1));
    assert!(hearing.listen(&world.disk, None, &robot(1)).is_empty());
    let said = hearing.listen(&world.disk, None, &robot(1));
    assert!(said.len() == 1 && said[0].contains("robot.csv:2: it has no end"), "{said:?}");
    assert_eq!(due(&mut hearing, 2), [(2, SignalSide::Long)]);
}

#[test]
fn a_backtest_reads_all_lines_of_the_program() {
    let world = World::new();
    world.write(&[&line(2, "long"), "x\n", &line(4, "short")].concat());
    let (signals, said) =
        read_programs(&world.disk, &world.layout, &robot(1), Timeframe::M1).unwrap();
    assert_eq!(said.len(), 1);
    let at: Vec<f64> = [2, 4].into_iter().flat_map(|n| signals.at(ts(n))).collect();
    assert_eq!(at, [1.0, -1.0]);
    assert!(signals.at(ts(3))[0].is_nan());
}

#[test]
fn a_checkpoint_goes_on_only_from_the_copy_it_knows() {
    let world = World::new();
    world.write(&[line(2, "long"), line(3, "short"), line(5, "flat")].concat());
    let mut hearing = world.hearing(robot(1));
    hearing.listen(&world.disk, None, &robot(1));
    let (mut bytes, mut marks) = (format!("{SIGNALS_HEADER}\n").into_bytes(), vec![hearing.mark()]);
    for n in [2, 3, 5] {
        let due = hearing.due(ts(n));
        bytes.extend_from_slice(&due.bytes);
        hearing.used(&due);
        marks.push(hearing.mark());
    }
    let of = |bytes: &[u8]| {
        let rows = parse_signals(bytes, Timeframe::M1, Path::new("s")).unwrap();
        Used::of(&robot(1), &rows)
    };
    let whole = of(&bytes);
    assert_eq!(whole.signals.at(ts(3)), [-1.0]);
    for (mark, last) in marks.iter().zip([1, 2, 3, 5]) {
        whole.goes_on(Some(mark), last * MINUTE_MS).unwrap();
    }
    let end = bytes.len() - 1;
    let shorter = bytes[..end].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let error = of(&bytes[..shorter]).goes_on(Some(&marks[3]), 5 * MINUTE_MS).unwrap_err();
    assert!(matches!(error, CheckpointError::FewerSignals), "{error}");
    let other = (2, "0123456789abcdef".to_owned());
    let error = whole.goes_on(Some(&other), 3 * MINUTE_MS).unwrap_err();
    assert!(matches!(error, CheckpointError::ChangedSignal), "{error}");
    let error = whole.goes_on(Some(&marks[2]), 5 * MINUTE_MS).unwrap_err();
    assert!(matches!(error, CheckpointError::LateSignal), "{error}");
    assert_eq!(whole.lacks(&marks[3]), None);
    assert_eq!(whole.lacks(&marks[0]), None);
    let (line, reason) = of(&bytes[..shorter]).lacks(&marks[3]).unwrap();
    assert!(line == 3 && reason.contains("has 2 rows, and had 3"), "{line}: {reason}");
    assert_eq!(whole.lacks(&other).unwrap().0, 3);
    assert!(whole.goes_on(None, 0).is_err());
    Used::default().goes_on(None, 0).unwrap();
}
