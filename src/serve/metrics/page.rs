//! The text of `/metrics`, in the OpenMetrics format, made anew for each look from the board, the records and the ledgers.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use super::loops::{Loop, Loops};
use crate::{
    domain::{decision::RiskState, time::UtcMs},
    serve::run_metrics::{MetricLabels, RunMetrics},
    store::{disk::RealDisk, error::StoreError, layout::Layout, runs::RunStore},
};

type Gauges = Family<MetricLabels, Gauge<f64, AtomicU64>>;
type Counters = Family<MetricLabels, Counter>;

/// The page.
pub fn page(
    board: &RunMetrics,
    store: &RunStore,
    (disk, layout): (&RealDisk, &Layout),
    loops: &mut Loops,
    now: UtcMs,
) -> Result<String, StoreError> {
    let mut registry = Registry::with_prefix("mjolnir");
    service(&mut registry, board, now);
    runs(&mut registry, board, store)?;
    of_loops(&mut registry, &loops.look(disk, layout)?, now);
    let mut text = String::new();
    let encoded: fmt::Result = encode(&mut text, &registry);
    encoded.expect("writing to a string does not fail");
    Ok(text)
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// The service itself.
fn service(registry: &mut Registry, board: &RunMetrics, now: UtcMs) {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let info = vec![("version", version), ("build", board.build().to_owned())];
    registry.register("build", "The build of this program", Info::new(info));
    let Some((age, turn)) = board.last() else { return };
    gauge(
        registry,
        "scheduler_tick_age_seconds",
        "Time since the last turn of the scheduler",
        age.as_secs_f64(),
    );
    let rebuilds = Counter::<u64>::default();
    rebuilds.inc_by(turn.rebuilds);
    registry.register("scheduler_rebuilds", "Times the source of wake-ups was restarted", rebuilds);
    if let Some(jobs) = turn.jobs {
        gauge(registry, "jobs_loaded", "Jobs the scheduler knows", jobs as f64);
    }
    gauge(registry, "runs_running", "Runs that go on", turn.running as f64);
    gauge(registry, "runs_queued", "Runs that wait to start", turn.queued as f64);
    let ages = Gauges::default();
    for (schedule, upto) in turn.schedules {
        let age = (now.get() - upto.get()) as f64 / 1000.0;
        ages.get_or_create(&vec![("schedule", schedule)]).set(age);
    }
    registry.register(
        "schedule_watermark_age_seconds",
        "Time since the instant up to which all slots of a schedule are decided",
        ages,
    );
}

/// The runs: records, and what was seen of them since the service began.
fn runs(registry: &mut Registry, board: &RunMetrics, store: &RunStore) -> Result<(), StoreError> {
    let records = Gauges::default();
    for count in store.counts()? {
        let labels = vec![("job", count.job), ("state", count.state.name().to_owned())];
        records.get_or_create(&labels).set(count.records as f64);
    }
    registry.register(
        "run_records",
        "Records of runs by job and state; old ones are taken away",
        records,
    );
    let (ended, took, late) = board.runs();
    registry.register("runs_ended", "Runs that ended since the service began", ended);
    registry.register("run_duration_seconds", "How long runs took", took);
    registry.register("run_start_lateness_seconds", "How long after their slot runs began", late);
    let open = store.incidents(None)?.iter().filter(|i| i.over.is_none()).count();
    gauge(registry, "incidents_open", "Incidents that last", open as f64);
    gauge(
        registry,
        "jobs_paused",
        "Jobs that their schedules do not start",
        store.pauses()?.len() as f64,
    );
    Ok(())
}

/// The loops, from their ledgers.
fn of_loops(registry: &mut Registry, loops: &[&Loop], now: UtcMs) {
    let [decisions, skips, bad, late] = [(); 4].map(|()| Counters::default());
    let [slot, age, equity, risk, position] = [(); 5].map(|()| Gauges::default());
    for one in loops {
        let labels = one.labels();
        let with = |name: &'static str, value: &str| {
            [labels.clone(), vec![(name, value.to_owned())]].concat()
        };
        let count = |family: &Counters, labels: &MetricLabels, n: u64| {
            family.get_or_create(labels).inc_by(n);
        };
        for (decision, n) in &one.tally.decisions {
            count(&decisions, &with("decision", decision), *n);
        }
        for (reason, n) in &one.tally.skips {
            count(&skips, &with("reason", reason), *n);
        }
        count(&bad, &labels, one.tally.bad);
        count(&late, &labels, one.late);
        let Some(last) = &one.tally.last else { continue };
        slot.get_or_create(&labels).set(last.ts_ms as f64 / 1000.0);
        age.get_or_create(&labels).set((now.get() - last.ts_ms) as f64 / 1000.0);
        equity.get_or_create(&labels).set(last.equity);
        for state in [RiskState::Active, RiskState::Reducing, RiskState::Halted] {
            let is_it = f64::from(u8::from(last.risk == state.name()));
            risk.get_or_create(&with("state", state.name())).set(is_it);
        }
        position.get_or_create(&labels).set(match last.position.as_str() {
            "long" => 1.0,
            "short" => -1.0,
            _ => 0.0,
        });
    }
    for (name, help, family) in [
        ("loop_decisions", "Rows of a decisions ledger by decision", decisions),
        ("loop_skips", "Skipped slots by reason", skips),
        ("loop_bad_rows", "Lines of a decisions ledger that are no rows", bad),
        ("loop_late_decisions", "Slots decided more than one bar after their close", late),
    ] {
        registry.register(name, help, family);
    }
    for (name, help, family) in [
        ("loop_last_slot_timestamp_seconds", "The close of the last decided bar", slot),
        ("loop_last_decision_age_seconds", "Time since the close of the last decided bar", age),
        ("loop_equity", "Equity at the last decided bar, in the currency of the account", equity),
        ("loop_risk_state", "1 for the risk state after the last decided bar, else 0", risk),
        ("loop_position", "After the last decided bar: 1 long, 0 flat, -1 short", position),
    ] {
        registry.register(name, help, family);
    }
}
