//! `/`: whether all is well.

use maud::{Markup, html};

use super::{
    desk::Desk,
    lines::{LoopLine, lines},
    query::escaped,
    steps::asks,
    words::{StatusSign, ago, bytes, safe, state, time, took, verdict},
};
use crate::{
    domain::time::UtcMs,
    jobs::context::Failure,
    os::filesystem::room,
    report::{
        axis::Range,
        number::{count, money},
        pyramid::PyramidPoint,
    },
    serve::status::{ScheduleStatus, ServiceStatus},
    store::runs::{Incident, RunFilter, RunRecord, RunState},
};

/// Schedules that come next and are shown.
const COMING_MAX: usize = 8;
/// Runs that go on and are shown.
const GOING_MAX: u32 = 20;
/// A service writes its status every 5 s; one that has not for so long hangs.
const TICK_MAX_MS: i64 = 20_000;
/// Less room on a disk than this is worth a look.
const ROOM_MIN: u64 = 2 << 30;

/// Everything that the page shows.
pub struct BoxState {
    /// The loops.
    pub loops: Vec<LoopLine>,
    /// The service.
    pub service: Option<ServiceStatus>,
    /// Open incidents.
    pub incidents: Vec<Incident>,
    /// Runs that go on or wait, each with what it asks a person: step and text.
    pub going: Vec<(RunRecord, Vec<(String, String)>)>,
    /// The fullest disk, and what is left there.
    pub room: Option<(String, u64)>,
    /// Now.
    pub now: UtcMs,
}

impl BoxState {
    /// Looks at everything.
    pub fn look(desk: &Desk) -> Result<Self, Failure> {
        let found = desk.records(|store| {
            let mut going = Vec::new();
            for state in [RunState::Running, RunState::Waiting, RunState::Queued] {
                let filter = RunFilter {
                    state: Some(state),
                    limit: Some(GOING_MAX),
                    ..RunFilter::default()
                };
                going.extend(store.list(&filter)?);
            }
            let mut incidents = store.incidents(None)?;
            incidents.retain(|incident| incident.over.is_none());
            Ok((going, incidents))
        })?;
        let (going, incidents) = found.unwrap_or_default();
        let asking = |run: RunRecord| {
            let asks = asks(desk, &run);
            (run, asks)
        };
        let going = going.into_iter().map(asking).collect();
        let room =
            room(desk.layout.data()).ok().map(|room| (room.path.display().to_string(), room.bytes));
        Ok(Self {
            loops: lines(desk)?,
            service: desk.status(),
            incidents,
            going,
            room,
            now: desk.now(),
        })
    }

    /// What is wrong, in words; empty when all is well.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        let bad = self.loops.iter().filter(|line| line.level == StatusSign::Bad).count();
        let many = |n: usize, one: &str, more: &str| {
            if n == 1 { format!("1 {one}") } else { format!("{n} {more}") }
        };
        if bad > 0 {
            troubles.push(many(bad, "loop is not well", "loops are not well"));
        }
        if !self.incidents.is_empty() {
            troubles.push(many(self.incidents.len(), "incident is open", "incidents are open"));
        }
        match &self.service {
            None => troubles.push("the service has not said anything yet".to_owned()),
            Some(status) if self.now.get() - status.tick_ms > TICK_MAX_MS => {
                troubles.push("the service has not said anything for a while".to_owned());
            }
            Some(status) => troubles.extend(status.trouble.as_deref().map(safe)),
        }
        if self.room.as_ref().is_some_and(|(_, left)| *left < ROOM_MIN) {
            troubles.push("a disk is almost full".to_owned());
        }
        troubles
    }
}

/// The page.
pub fn body(desk: &Desk) -> Result<Markup, Failure> {
    let found = BoxState::look(desk)?;
    let now = found.now;
    let troubles = found.troubles();
    let watched = found.loops.iter().filter(|line| line.level != StatusSign::Idle).count();
    Ok(html! {
        h1.visually-hidden { "The box" }
        div data-refresh="10" {
            section #verdict data-live aria-live="polite" {
                @if troubles.is_empty() && found.loops.is_empty() {
                    p.headline { (verdict(StatusSign::Idle, "Nothing decides here yet")) }
                    p.lead { "No incident is open." }
                } @else if troubles.is_empty() {
                    p.headline { (verdict(StatusSign::Well, "All is well")) }
                    p.lead { (counted(watched, "loop decides", "loops decide")) ", no incident is open." }
                } @else {
                    p.headline { (verdict(StatusSign::Bad, "Something needs a look")) }
                    ul.troubles { @for trouble in &troubles { li { (trouble) } } }
                }
            }
            section #loops data-live { h2 { "Loops" } (loops(&found.loops, now)) }
            div.columns {
                section #coming data-live { h2 { "Due next" } (coming(found.service.as_ref(), now)) }
                section #going data-live { h2 { "Going on" } (going(&found.going, now)) }
                section #incidents data-live { h2 { "Open incidents" } (incidents(&found.incidents)) }
                section #box data-live { h2 { "This box" } (facts(&found, now)) }
            }
        }
    })
}

fn counted(many: usize, one: &str, more: &str) -> String {
    match many {
        0 => format!("No {one}"),
        1 => format!("1 {one}"),
        many => format!("{many} {more}"),
    }
}

fn loops(lines: &[LoopLine], now: UtcMs) -> Markup {
    html! {
        @if lines.is_empty() {
            p.none { "No loop has decided anything here yet. To start one: " code { "runner run jobs/live.toml" } ", or a demo: " code { "runner run jobs/demo.toml" } }
        } @else {
            div.wide tabindex="0" role="group" aria-label="loops" { table.loops {
                thead { tr {
                    th scope="col" { "loop" } th scope="col" { "how it is" } th scope="col" { "position" } th.n scope="col" { "equity" }
                    th scope="col" { "since its first row" } th scope="col" { "last decision" } th scope="col" { "last PASS" }
                } }
                tbody { @for line in lines { (row(line, now)) } }
            } }
        }
    }
}

fn row(line: &LoopLine, now: UtcMs) -> Markup {
    html! {
        tr {
            th scope="row" { a href=(line.page) { bdi { (line.tag) } } br; small { (line.exchange) " " (line.symbol) " " (line.timeframe) } }
            td.says { (verdict(line.level, &line.verdict)) }
            td data-name="position" { (line.position.as_deref().unwrap_or("–")) }
            td.n data-name="equity" { (line.equity.map_or("–".to_owned(), money)) }
            td { (spark(&line.spark)) }
            td data-name="decided" { @match line.last_ts_ms { Some(at) => { (ago(at, now)) }, None => { "–" } } }
            td data-name="PASS" { @match line.passed_ms { Some(at) => { (ago(at, now)) }, None => { "never" } } }
        }
    }
}

/// A small line without numbers.
fn spark(points: &[PyramidPoint]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! { "–" } };
    let y = Range::of(points.iter().map(|at| at.1));
    let x = Range { low: first.0 as f64, high: (last.0 as f64).max(first.0 as f64 + 1.0) };
    let place = |at: &PyramidPoint| {
        format!("{:.1} {:.1}", x.place(at.0 as f64) * 120.0, (1.0 - y.place(at.1)) * 24.0)
    };
    let path = points.iter().map(place).collect::<Vec<_>>().join("L");
    let change = if first.1 == 0.0 { 0.0 } else { last.1 / first.1 - 1.0 };
    let says = crate::report::number::percent_gain(change);
    html! {
        span.spark {
            svg width="120" height="24" viewBox="0 0 120 24" role="img" aria-label=(format!("equity, {says}")) { path d=(format!("M{path}")) {} }
            " " span.n { (says) }
        }
    }
}

fn coming(service: Option<&ServiceStatus>, now: UtcMs) -> Markup {
    let mut all: Vec<(&ScheduleStatus, i64)> = service
        .map(|status| status.schedules.iter().filter_map(|one| Some((one, one.next_ms?))).collect())
        .unwrap_or_default();
    all.sort_by_key(|(_, at)| *at);
    html! {
        @if all.is_empty() { p.none { "No schedule has a next slot." } }
        ul.rows {
            @for (one, at) in all.iter().take(COMING_MAX) {
                li {
                    a href=(format!("/jobs/{}", escaped(&one.job))) { bdi { (safe(&one.schedule)) } } " "
                    span.when { (ago(*at, now)) }
                    @if let Some(why) = &one.paused { " " (verdict(StatusSign::Look, "paused")) " " small { bdi { (safe(why)) } } }
                }
            }
        }
        p.more { a href="/jobs" { "All jobs" } }
    }
}

fn going(runs: &[(RunRecord, Vec<(String, String)>)], now: UtcMs) -> Markup {
    html! {
        @if runs.is_empty() { p.none { "No run goes on or waits." } }
        ul.rows {
            @for (run, asks) in runs {
                li {
                    (state(run.state)) " " a href=(format!("/runs/{}", run.run_id)) { bdi { (safe(&run.job)) } } " " span.when { (took(run, now)) }
                    @for (step, text) in asks {
                        br; span.when { "step " bdi { (safe(step)) } " asks: " bdi { (safe(text)) } " " a href=(format!("/runs/{}#steps", run.run_id)) { "answer" } }
                    }
                }
            }
        }
        p.more { a href="/runs" { "All runs" } }
    }
}

fn incidents(all: &[Incident]) -> Markup {
    html! {
        @if all.is_empty() { p.none { "None." } }
        ul.rows {
            @for one in all {
                li {
                    (verdict(StatusSign::Bad, one.id.trouble.name())) " " a href=(format!("/runs/{}", one.run)) { bdi { (safe(&one.id.job)) } }
                    " " span.when { "since " (time(one.since.get())) ", " (count(u64::from(one.times))) @if one.times == 1 { " time" } @else { " times" } }
                }
            }
        }
    }
}

fn facts(found: &BoxState, now: UtcMs) -> Markup {
    html! {
        dl.facts {
            dt { "Disk" }
            dd { @match &found.room { Some((path, left)) => { (bytes(*left)) " free, " code { (path) } }, None => { "–" } } }
            @if let Some(status) = &found.service {
                dt { "Service" } dd { "since " (time(status.started_ms / 1_000 * 1_000)) ", pid " (status.pid) }
                dt { "Last turn" } dd { (ago(status.tick_ms, now)) }
                dt { "Jobs" } dd { (status.jobs) " jobs, " (status.schedules.len()) " schedules, " (status.running.len()) " running, " (status.waiting_count) " waiting" }
                @if status.draining { dt { "State" } dd { "draining: no new runs" } }
                @if !status.reload_said.is_empty() { dt { "Last reload" } dd { (safe(&status.reload_said)) } }
            }
        }
    }
}
