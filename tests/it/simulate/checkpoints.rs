//! Checkpoints: a start goes on from one that fits and ignores every other, and what was edited before one is found by the proof.

use std::path::PathBuf;

use mjolnir::{
    domain::time::UtcMs,
    jobs::live::{cycle::LoopEnd, plan::EndReason},
    session::{
        fold::Folded,
        live::{Belief, Recovered, Session, prove_before},
    },
    store::{disk::Disk as _, rows::commands::COMMANDS_HEADER},
};
use serde_json::Value;

use super::{
    false_disk::{FalseDisk, Lie, Writes},
    oracle::{Log, files, lines, tag},
    venue::{HOUR_MS, Listed, SimClock, Venue, market},
    world::{Shift, World, card, slot, span},
};
use crate::support::{sealed::seal, sim_disk::SimDisk};

const SLOTS: i64 = 90;
/// Where the loop is stopped: behind many checkpoints, between two.
const STOPPED: i64 = 61;
const NOW: i64 = 1_800_000_000_000;

/// A change of one value of a checkpoint.
type Edit = fn(&mut Value);

struct Scene {
    world: World,
    market: Vec<Listed>,
    /// The ledger of [`STOPPED`] slots with its checkpoint.
    disk: SimDisk,
    /// What the ledgers are after all slots.
    reference: [Vec<u8>; 2],
}

impl Scene {
    fn new() -> Self {
        let world = World { checkpoint_rows: 7, ..World::new() };
        let market = market(5, span(SLOTS));
        let disk = world.disk();
        let mut scene = Self { world, market, disk, reference: Default::default() };
        let whole = scene.world.disk();
        scene.go(SLOTS, &whole);
        scene.reference = files(&scene.world.layout, &scene.world, &whole);
        scene.go(STOPPED, &scene.disk);
        scene
    }

    /// Works up to a slot.
    fn go(&self, slots: i64, disk: &SimDisk) {
        let clock = SimClock::new(slot(0).ts_ms() + 2_000, HOUR_MS / 3, None);
        let mut venue = Venue { clock: &clock, market: &self.market, mood: None };
        let stop_at_ms = slot(SLOTS).ts_ms() + 10 * HOUR_MS;
        let shift = Shift { pace: self.world.pace(slots), lie: Lie::Honest, stop_at_ms };
        let ended = self.world.work(disk, (&clock, &mut venue), &shift, &mut self.log(disk));
        assert_eq!(ended.unwrap(), LoopEnd::Ended(EndReason::Window));
    }

    fn log(&self, disk: &SimDisk) -> Log {
        let [decisions, trades] = files(&self.world.layout, &self.world, disk);
        Log { decisions, trades, ..Log::default() }
    }

    fn checkpoint(&self) -> PathBuf {
        self.world.layout.checkpoint(&tag(), &self.world.series)
    }

    /// The checkpoint with one value of it changed and everything else right again.
    fn edited(&self, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let bytes = self.disk.peek(&self.checkpoint()).unwrap();
        let mut document: Value = serde_json::from_slice(&bytes).unwrap();
        edit(&mut document);
        seal(&mut document);
        serde_json::to_vec(&document).unwrap()
    }

    fn with_checkpoint(&self, bytes: &[u8]) -> SimDisk {
        let disk = self.disk.fork();
        disk.plant(&self.checkpoint(), bytes);
        disk
    }

    fn start(&self, disk: &SimDisk, belief: Belief) -> Result<Recovered, String> {
        self.open(&FalseDisk { disk, lie: Lie::Honest }, belief)
    }

    fn open(&self, disk: &FalseDisk<'_>, belief: Belief) -> Result<Recovered, String> {
        let (place, core) = (self.world.place(disk), self.world.core.clone());
        let now = UtcMs::new(NOW).unwrap();
        let opened = Session::open(place, core, (card(), "test"), belief, now, true);
        opened.map(|(_, recovered)| recovered).map_err(|error| error.to_string())
    }

    /// What the proof behind a start that believed a checkpoint comes to.
    fn prove(&self, disk: &SimDisk, recovered: &Recovered) -> Result<(), String> {
        let honest = FalseDisk { disk, lie: Lie::Honest };
        let checkpoint = recovered.behind.as_ref().expect("it was believed");
        let place = self.world.place(&honest);
        let proved = prove_before(&place, &self.world.core, &card(), checkpoint, &|| false);
        proved.map(|how| assert_eq!(how, Folded::Whole)).map_err(|error| error.to_string())
    }

    /// The loop goes on from this disk to the end, and the ledgers are what they would have been.
    fn goes_on(&self, disk: &SimDisk, what: &str) {
        self.go(SLOTS, disk);
        assert!(files(&self.world.layout, &self.world, disk) == self.reference, "{what}");
    }
}

#[test]
fn a_start_folds_only_what_is_behind_the_checkpoint_and_the_proof_folds_the_rest() {
    let scene = Scene::new();
    let recovered = scene.start(&scene.disk, Belief::Checkpoint(7)).unwrap();
    assert!(recovered.ignored.is_none(), "{:?}", recovered.ignored);
    assert_eq!(recovered.rows, STOPPED as u64 % 7);
    assert_eq!(recovered.behind.as_ref().unwrap().rows(), STOPPED as u64 / 7 * 7);
    scene.prove(&scene.disk, &recovered).unwrap();
    let whole = scene.start(&scene.disk, Belief::Nothing).unwrap();
    assert!(whole.rows == STOPPED as u64 && whole.behind.is_none());
    scene.goes_on(&scene.disk.fork(), "from a checkpoint");
}

#[test]
fn rows_that_a_loop_adds_meanwhile_are_no_rows_taken_away() {
    let scene = Scene::new();
    let (layout, series) = (&scene.world.layout, &scene.world.series);
    let later = scene.disk.fork();
    scene.go(SLOTS, &later);
    let paths = [
        layout.decisions(&tag(), series),
        layout.trades(&tag(), series),
        layout.timing(&tag(), series),
    ];
    let ledgers =
        |disk: &SimDisk| paths.each_ref().map(|path| (path.clone(), disk.peek(path).unwrap()));
    for before in ["decisions.csv", "trades.csv", "timing.csv"] {
        let disk = later.fork();
        for (path, bytes) in ledgers(&scene.disk) {
            disk.plant(&path, &bytes);
        }
        let files = ledgers(&later).into();
        let lie = Lie::Writes(Box::leak(Box::new(Writes { before, files })));
        let proved = scene.open(&FalseDisk { disk: &disk, lie }, Belief::Nothing).unwrap();
        assert_eq!(proved.rows, SLOTS as u64, "{before}");
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_is_ignored_and_changes_nothing() {
    let scene = Scene::new();
    let good = scene.disk.peek(&scene.checkpoint()).unwrap();
    let mut bad: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), Vec::new()),
        ("NULs".into(), vec![0; 500]),
        ("garbage".into(), b"{\"schema\": 1}".to_vec()),
        ("huge".into(), vec![b' '; 2 << 20]),
    ];
    bad.extend((1..good.len()).step_by(61).map(|n| (format!("torn at {n}"), good[..n].to_vec())));
    let flipped = (0..good.len()).step_by(37).map(|n| {
        let mut bytes = good.clone();
        bytes[n] ^= 4;
        (format!("a bit of byte {n}"), bytes)
    });
    bad.extend(flipped);
    let edits: [(&str, Edit); 12] = [
        ("another schema", |d| d["schema"] = "mjolnir.checkpoint/2".into()),
        ("another build", |d| d["build"] = "older".into()),
        ("another stop rule", |d| d["card"]["stop_fill"] = "at-stop".into()),
        ("another setting", |d| d["card"]["settings"]["strategy.fast"] = "3".into()),
        ("another ledger", |d| d["origin_sha256"] = "0".into()),
        ("more commands", |d| d["commands"][0] = 3.into()),
        ("other commands", |d| d["commands"][1] = "0".into()),
        ("ahead of decisions", |d| d["decisions"]["bytes"] = 10_000_000.into()),
        ("ahead of trades", |d| d["trades"]["bytes"] = 10_000_000.into()),
        ("ahead of timing", |d| d["timing"]["bytes"] = 10_000_000.into()),
        ("another last row", |d| d["last_row"] = "x".into()),
        ("a rule that is not known", |d| {
            d["state"]["pending"] = serde_json::json!({ "enter": ["long", "none", [1, 2, 3]] });
        }),
    ];
    bad.extend(edits.map(|(name, edit)| (name.to_owned(), scene.edited(edit))));
    for (name, bytes) in bad {
        let disk = scene.with_checkpoint(&bytes);
        let recovered = scene.start(&disk, Belief::Checkpoint(7)).unwrap();
        // A bit of white space says nothing.
        if recovered.behind.is_some() {
            assert!(
                serde_json::from_slice::<Value>(&bytes).unwrap()
                    == serde_json::from_slice::<Value>(&good).unwrap(),
                "{name}"
            );
            continue;
        }
        assert!(recovered.ignored.is_some() && recovered.rows == STOPPED as u64, "{name}");
        if name.len() % 3 == 0 {
            scene.goes_on(&disk, &name);
        }
    }
    let absent = scene.disk.fork();
    absent.remove(&scene.checkpoint()).unwrap();
    let recovered = scene.start(&absent, Belief::Checkpoint(7)).unwrap();
    assert!(recovered.ignored.is_none() && recovered.rows == STOPPED as u64);
    scene.goes_on(&absent, "without a checkpoint");
}

#[test]
fn an_edit_before_the_checkpoint_is_found_by_the_proof_in_the_words_of_a_start_without_one() {
    let scene = Scene::new();
    let layout = &scene.world.layout;
    let decisions = layout.decisions(&tag(), &scene.world.series);
    let text = String::from_utf8(scene.disk.peek(&decisions).unwrap()).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    let mut found = 0;
    for (line, column) in [(2, 12), (9, 5), (17, 15), (25, 16), (33, 9), (40, 4)] {
        let mut fields: Vec<&str> = rows[line].split(',').collect();
        let changed = match (column, fields[column]) {
            // Of the same length, so that nothing else moves.
            (_, value) if value.ends_with('1') => value[..value.len() - 1].to_owned() + "2",
            (_, "") => continue,
            (_, value) => value[..value.len() - 1].to_owned() + "1",
        };
        fields[column] = &changed;
        let row = fields.join(",");
        let edited: Vec<&str> =
            (0..rows.len()).map(|n| if n == line { &row } else { rows[n] }).collect();
        let disk = scene.disk.fork();
        disk.plant(&decisions, format!("{}\n", edited.join("\n")).as_bytes());
        let start = scene.start(&disk, Belief::Nothing).unwrap_err();
        assert!(start.contains(&format!("decisions.csv:{}", line + 1)), "{start}");
        // The start itself reads the rows whose bars the features need.
        let proof = match scene.start(&disk, Belief::Checkpoint(7)) {
            Ok(recovered) => {
                found += 1;
                scene.prove(&disk, &recovered).unwrap_err()
            }
            Err(error) => error,
        };
        assert_eq!(proof, start, "line {line} column {column}");
    }
    assert!(found >= 3, "{found}");
    let trades = layout.trades(&tag(), &scene.world.series);
    let disk = scene.disk.fork();
    let text = String::from_utf8(disk.peek(&trades).unwrap()).unwrap();
    assert!(lines(text.as_bytes()) > 3);
    disk.plant(&trades, text.replacen(",0\n", ",1\n", 1).as_bytes());
    let recovered = scene.start(&disk, Belief::Checkpoint(7)).unwrap();
    let proof = scene.prove(&disk, &recovered).unwrap_err();
    assert_eq!(proof, scene.start(&disk, Belief::Nothing).unwrap_err());
}

#[test]
fn a_command_that_came_later_for_a_slot_before_the_checkpoint_is_seen_by_the_start() {
    let scene = Scene::new();
    let disk = scene.disk.fork();
    let commands = scene.world.layout.commands(&tag());
    let row = format!("{COMMANDS_HEADER}\n{},halt,planted,me\n", slot(40).ts_ms());
    disk.plant(&commands, row.as_bytes());
    let without = scene.start(&disk, Belief::Nothing).unwrap_err();
    let with = scene.start(&disk, Belief::Checkpoint(7)).map(|recovered| recovered.rows);
    assert_eq!(with, Err(without));
}

#[test]
fn a_state_that_the_rows_do_not_lead_to_is_found_by_the_proof() {
    let scene = Scene::new();
    let edited = scene.edited(|document| document["state"]["cash"] = "9000000000000000".into());
    let disk = scene.with_checkpoint(&edited);
    // The rows behind it come out otherwise: it is not gone on from.
    let recovered = scene.start(&disk, Belief::Checkpoint(100)).unwrap();
    assert!(recovered.ignored.unwrap().to_string().contains("replaying the row"));
    assert!(recovered.behind.is_none() && recovered.rows == STOPPED as u64);
    // What no row behind it shows is found by the proof.
    let quiet = scene.edited(|document| document["state"]["risk"]["peak"] = "1".into());
    let disk = scene.with_checkpoint(&quiet);
    let recovered = scene.start(&disk, Belief::Checkpoint(100)).unwrap();
    let error = scene.prove(&disk, &recovered).unwrap_err();
    assert!(error.contains("checkpoint.json"), "{error}");
}
