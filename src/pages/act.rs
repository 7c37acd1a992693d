//! `/act`: what a person does to a loop, a job or a run through the pages of a service that is run with `--operate`.

use std::{collections::VecDeque, fmt::Write as _};

use http::{Method, StatusCode, header};
use maud::{Markup, html};
use serde_json::json;

use super::{
    desk::{Desk, DeskLedger},
    frame::{self, Here},
    jobs::{file_of, matrix_of, refusal},
    operator::{FormUse, Operator, Stranger},
    query::{Query, escaped},
    run::find,
    starter::StartOrder,
    steps,
    words::{StatusSign, safe, safe_lines, verdict},
};
use crate::{
    cli::{
        approve,
        args::{ApproveArgs, AskArgs, CommandArgs, JobArgs, PauseArgs, RetryArgs, RunArgs},
        commands, flags,
        load::{facts, load},
        pause,
        records::Records,
        resume, retry, stop,
    },
    domain::{
        command::CommandKind,
        ids::{RunId, Tag},
    },
    exit::Exit,
    jobs::{
        commands::listed,
        context::Failure,
        ledgers::{in_recorded_time, series_of},
    },
    serve::answer::{WebPage, WebRequest},
    store::runs::{RunRecord, RunState},
};

/// The type of a form that a browser sends.
const FORM: &str = "application/x-www-form-urlencoded";
/// Longest name of a person, in characters.
const WHO_MAX: usize = 100;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ActKind {
    /// An order to the loops of a tag.
    Order(CommandKind),
    /// Schedules do not start a job.
    Pause,
    /// They start it again.
    ResumeJob,
    /// A job, now.
    Run,
    /// A run is asked to end.
    Stop,
    /// The job of a run, once more.
    Retry,
    /// A step of a run that waits for a person.
    Approve,
}

/// A way to act: its word in an address, that on its button, and what it does.
struct ActRow {
    kind: ActKind,
    word: &'static str,
    button: &'static str,
    does: &'static str,
}

const ACTS: [ActRow; 10] = [
    ActRow {
        kind: ActKind::Order(CommandKind::Halt),
        word: "halt",
        button: "Halt",
        does: "Every loop of this tag stops deciding until it is resumed. Stops go on protecting an open position.",
    },
    ActRow {
        kind: ActKind::Order(CommandKind::Reduce),
        word: "reduce",
        button: "Reduce",
        does: "Every loop of this tag enters nothing until it is resumed. Exits go on.",
    },
    ActRow {
        kind: ActKind::Order(CommandKind::Resume),
        word: "resume",
        button: "Resume",
        does: "Every loop of this tag goes back to normal after a halt or a limit that tripped. Counters of the limits start again.",
    },
    ActRow {
        kind: ActKind::Order(CommandKind::Flatten),
        word: "flatten",
        button: "Flatten",
        does: "Every loop of this tag closes its position at the next fill, and is halted then.",
    },
    ActRow {
        kind: ActKind::Pause,
        word: "pause",
        button: "Pause",
        does: "Schedules of this job do not start it until it is resumed. A run that goes on is left alone.",
    },
    ActRow {
        kind: ActKind::ResumeJob,
        word: "resume-job",
        button: "Resume",
        does: "Schedules of this job start it again, from now on.",
    },
    ActRow {
        kind: ActKind::Run,
        word: "run",
        button: "Run now",
        does: "This job runs once, now, with the values of its manifest, beside whatever its schedules do.",
    },
    ActRow {
        kind: ActKind::Stop,
        word: "stop",
        button: "Stop",
        does: "This run is asked to end, and has the time for it that its manifest gives. One that waits is taken out of the queue.",
    },
    ActRow {
        kind: ActKind::Retry,
        word: "retry",
        button: "Run again",
        does: "The job of this run runs once more, now, with the same values.",
    },
    ActRow {
        kind: ActKind::Approve,
        word: "approve",
        button: "Approve",
        does: "This step of the pipeline starts, and what needs it comes after it. It cannot be taken back.",
    },
];

/// An act that is asked for, with what it is done to, which is there.
struct Act {
    row: &'static ActRow,
    /// A tag, the name of a job, or the id of a run.
    of: String,
    /// The step of the run, where it is about one.
    step: String,
}

impl Act {
    fn read(desk: &Desk, query: &Query) -> Result<Self, Failure> {
        let usage = |why: String| Failure::new(Exit::Usage, why);
        let word = query.text("do").unwrap_or_default();
        let row = ACTS.iter().find(|row| row.word == word).ok_or_else(|| {
            let known: Vec<&str> = ACTS.iter().map(|row| row.word).collect();
            usage(format!("do: `{}` is not one of {}", safe(word), known.join(", ")))
        })?;
        let of = query.text("of").ok_or_else(|| usage("of: say what it is done to".to_owned()))?;
        match row.kind {
            ActKind::Order(_) => {
                let tag: Tag = of.parse().map_err(|error| usage(format!("of: {error}")))?;
                listed(&desk.disk, &desk.layout, &tag)?;
            }
            ActKind::Pause | ActKind::ResumeJob | ActKind::Run => {
                if matrix_of(desk, of).is_empty() {
                    file_of(desk, of)?;
                }
            }
            ActKind::Stop | ActKind::Retry => {
                find(desk, of)?;
            }
            ActKind::Approve => {
                find(desk, of)?;
                query.text("step").ok_or_else(|| usage("step: say which one".to_owned()))?;
            }
        }
        let step = query.text("step").filter(|_| row.kind == ActKind::Approve);
        Ok(Self { row, of: of.to_owned(), step: step.unwrap_or_default().to_owned() })
    }

    /// What to type for the same in a terminal.
    fn typed(&self) -> String {
        let (tag, job, run) = (&self.of, &self.of, &self.of);
        match self.row.kind {
            ActKind::Order(order) => format!("runner {order} --tag {tag} --reason \"...\""),
            ActKind::Pause => format!("runner pause {job} --reason \"...\""),
            ActKind::ResumeJob => format!("runner resume {job}"),
            ActKind::Run => format!("runner run {job} --reason \"...\""),
            ActKind::Stop => format!("runner stop {run} --reason \"...\""),
            ActKind::Retry => format!("runner retry {run} --reason \"...\""),
            ActKind::Approve => {
                format!("runner approve {run} {} --reason \"...\"", safe(&self.step))
            }
        }
    }

    /// What it is done to, in words.
    fn whom(&self) -> String {
        if self.step.is_empty() {
            self.of.clone()
        } else {
            format!("step {} of {}", self.step, self.of)
        }
    }

    /// What a step asks; a failure where it does not wait for an answer.
    fn asked(&self, desk: &Desk) -> Result<Option<String>, Failure> {
        if self.row.kind != ActKind::Approve {
            return Ok(None);
        }
        let run = find(desk, &self.of)?;
        let asks = steps::asks(desk, &run).into_iter().find(|(step, _)| *step == self.step);
        let message = || {
            let (step, run) = (safe(&self.step), &run.run_id);
            Failure::new(
                Exit::Nothing,
                format!("step `{step}` of run {run} does not wait for an approval"),
            )
        };
        asks.map(|(_, text)| Some(text)).ok_or_else(message)
    }

    /// The page that is about it.
    fn page(&self, desk: &Desk) -> String {
        match self.row.kind {
            ActKind::Order(_) => {
                let tag = self.of.parse::<Tag>().ok();
                let all =
                    tag.as_ref().and_then(|tag| series_of(&desk.disk, &desk.layout, tag).ok());
                match (tag, all.unwrap_or_default().pop()) {
                    (Some(tag), Some(series)) => DeskLedger { tag, series }.path(),
                    _ => "/".to_owned(),
                }
            }
            ActKind::Pause | ActKind::ResumeJob | ActKind::Run => {
                format!("/jobs/{}", escaped(&self.of))
            }
            ActKind::Stop | ActKind::Retry | ActKind::Approve => format!("/runs/{}", self.of),
        }
    }

    fn title(&self) -> String {
        format!("{} {}", self.row.button, self.whom())
    }
}

/// Links to what can be done to something; nothing where the service does not act.
pub fn links(desk: &Desk, words: &[&str], of: &str) -> Markup {
    let offered: Vec<&ActRow> = ACTS.iter().filter(|row| words.contains(&row.word)).collect();
    html! {
        @if desk.operator.is_some() {
            p.acts role="group" aria-label="act" {
                @for row in offered { a href=(format!("/act?do={}&of={}", row.word, escaped(of))) { (row.button) " …" } }
            }
        }
    }
}

/// What can be done to a run.
pub fn links_of_run(desk: &Desk, run: &RunId, state: RunState) -> Markup {
    links(desk, &[if state.is_over() { "retry" } else { "stop" }], run.as_str())
}

/// What waits for a person in a run: each step with what it asks, and how to answer.
pub fn approvals(desk: &Desk, run: &RunRecord) -> Markup {
    let run_id = &run.run_id;
    html! {
        @for (step, text) in steps::asks(desk, run) {
            @let typed = format!("runner approve {run_id} {} --reason \"...\"", safe(&step));
            div.asks {
                p { (verdict(StatusSign::Look, "waits for a person")) " step " strong { bdi { (safe(&step)) } } " asks: " bdi { (safe(&text)) } }
                @if desk.operator.is_some() {
                    p.acts role="group" aria-label="act" { a href=(format!("/act?do=approve&of={run_id}&step={}", escaped(&step))) { "Approve " (safe(&step)) " …" } }
                } @else { p.note { "To approve it: " code { (typed) } } }
            }
        }
    }
}

/// What was done, or why not.
struct Answer {
    status: StatusCode,
    title: String,
    said: String,
    act: Option<Act>,
    is_repeat: bool,
}

impl Answer {
    fn refused(status: StatusCode, said: &str) -> Self {
        let title = "Nothing was done".to_owned();
        Self { status, title, said: said.to_owned(), act: None, is_repeat: false }
    }

    fn failed(failure: &Failure) -> Self {
        Self::refused(frame::status_of(failure), &failure.message)
    }
}

/// The page that asks for confirmation, or, of a form that was sent, says what was done.
pub fn page(desk: &Desk, asked: &WebRequest) -> WebPage {
    let Some(operator) = &desk.operator else { return frame::failed(desk, &not_here()) };
    if asked.method != Method::POST {
        let query = Query::of(&asked.uri);
        let read = Act::read(desk, &query).and_then(|act| Ok((act.asked(desk)?, act)));
        return match read {
            Ok((asked, act)) => {
                let form = form(desk, operator, (&act, asked.as_deref()));
                frame::page(desk, Here::Elsewhere, &act.title(), &form)
            }
            Err(failure) => frame::failed(desk, &failure),
        };
    }
    let answer = act(desk, operator, asked);
    let level = if answer.status == StatusCode::OK { StatusSign::Well } else { StatusSign::Bad };
    let body = html! {
        h1 { bdi { (safe(&answer.title)) } }
        p.headline { (verdict(level, match (answer.status, answer.is_repeat) {
            (StatusCode::OK, true) => "this form was sent before, and was acted on once",
            (StatusCode::OK, false) => "done",
            _ => "nothing was done",
        })) }
        p.message.lines { (safe_lines(&answer.said)) }
        @if let Some(act) = &answer.act { p { a href=(act.page(desk)) { "Back to " bdi { (safe(&act.of)) } } } }
        @else { p { a href="/" { "Back to the box" } } }
    };
    frame::with_status(desk, answer.status, (Here::Elsewhere, &answer.title), &body)
}

/// The same for programs.
pub fn document(desk: &Desk, asked: &WebRequest) -> WebPage {
    let Some(operator) = &desk.operator else {
        let failure = not_here();
        let document = json!({ "schema": "mjolnir.error/1", "exit": failure.exit.code(), "error": failure.message });
        return WebPage::json(StatusCode::NOT_FOUND, &document);
    };
    let answer = act(desk, operator, asked);
    let document = match (&answer.act, answer.status) {
        (Some(act), StatusCode::OK) => json!({
            "schema": "mjolnir.act/1", "do": act.row.word, "of": act.of, "said": answer.said,
            "is_repeat": answer.is_repeat, "page": act.page(desk),
        }),
        _ => {
            json!({ "schema": "mjolnir.error/1", "exit": Exit::Usage.code(), "error": answer.said })
        }
    };
    WebPage::json(answer.status, &document)
}

fn not_here() -> Failure {
    Failure::new(
        Exit::Nothing,
        "this service only shows: to act through its pages, start it with `runner serve --operate`",
    )
}

fn form(desk: &Desk, operator: &Operator, (act, asked): (&Act, Option<&str>)) -> Markup {
    let (what, reach) = reach(desk, act);
    html! {
        p.kind { a href=(act.page(desk)) { bdi { (safe(&act.of)) } } }
        h1 { (act.row.button) " " bdi { (safe(&act.whom())) } "?" }
        @if let Some(asked) = asked { p.message { "It asks: " bdi { (safe(asked)) } } }
        p.lead { (act.row.does) }
        @if reach.len() > 1 { p { "It is for all " (reach.len()) " " (what) ": " (safe(&reach.join(", "))) "." } }
        @if reach.len() > 1 && act.row.kind == ActKind::Run { p { "Jobs without an end start at the same time, others one after another as long as this service runs. Each is a run, which is stopped by itself." } }
        form.act method="post" action="/act" {
            input type="hidden" name="do" value=(act.row.word);
            input type="hidden" name="of" value=(safe(&act.of));
            @if !act.step.is_empty() { input type="hidden" name="step" value=(safe(&act.step)); }
            input type="hidden" name="form" value=(operator.new_form());
            label { "Why; others will read it"
                input name="reason" required maxlength="500" autocomplete="off" size="50" autofocus;
            }
            label { "Who you are" input name="who" required maxlength=(WHO_MAX) autocomplete="name"; }
            label { "The token of this box" input name="token" type="password" required autocomplete="current-password"; }
            button.strong { (act.row.button) " " (safe(&act.whom())) }
            a href=(act.page(desk)) { "leave it" }
        }
        p.note { "The token is in " code { "data/state/operate.token" } ". The same in a terminal: " code { (act.typed()) } }
    }
}

/// What an act is for, where that may be several: the series of a tag, or the jobs of a matrix.
fn reach(desk: &Desk, act: &Act) -> (&'static str, Vec<String>) {
    let of = &act.of;
    match act.row.kind {
        ActKind::Order(_) => {
            let tag = of.parse().ok();
            let all = tag.and_then(|tag| series_of(&desk.disk, &desk.layout, &tag).ok());
            let all = all.unwrap_or_default();
            ("series of the tag", all.iter().map(ToString::to_string).collect())
        }
        ActKind::Pause | ActKind::ResumeJob | ActKind::Run => {
            ("jobs of the matrix", matrix_of(desk, of))
        }
        ActKind::Stop | ActKind::Retry | ActKind::Approve => ("", Vec::new()),
    }
}

/// Acts on a form, once.
fn act(desk: &Desk, operator: &Operator, asked: &WebRequest) -> Answer {
    let content = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content = content.and_then(|content| content.split(';').next()).map(str::trim);
    if content != Some(FORM) {
        let why = format!("send a form: its type is {FORM}");
        return Answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &why);
    }
    let query = Query::of_form(&asked.body);
    match operator.admits(asked, &query) {
        Ok(()) => {}
        Err(Stranger::Silent) => {
            let why = "the token of this box is missing: it is in data/state/operate.token";
            return Answer::refused(StatusCode::UNAUTHORIZED, why);
        }
        Err(Stranger::Wrong) => {
            tracing::warn!("a request to act came through the pages with a wrong token");
            let why = "this is not the token of this box: it is in data/state/operate.token";
            return Answer::refused(StatusCode::FORBIDDEN, why);
        }
    }
    let act = match Act::read(desk, &query) {
        Ok(act) => act,
        Err(failure) => return Answer::failed(&failure),
    };
    // A program that acts has no form, and sends it once.
    let form = query.text("form");
    match form.map_or(FormUse::First, |form| operator.begin(form)) {
        FormUse::First => {}
        FormUse::Done(said) => {
            let title = act.title();
            let status = StatusCode::OK;
            return Answer { status, title, said, act: Some(act), is_repeat: true };
        }
        FormUse::GoesOn => {
            return Answer::refused(StatusCode::CONFLICT, "this form is being acted on already");
        }
        FormUse::Stale => {
            let why = "the service was started again since this form was made: open it again";
            return Answer::refused(StatusCode::CONFLICT, why);
        }
    }
    let done = carry_out(desk, operator, &act, &query);
    if let Some(form) = form {
        operator.end(form, done.as_deref().ok());
    }
    match done {
        Ok(said) => {
            let (status, title) = (StatusCode::OK, act.title());
            Answer { status, title, said, act: Some(act), is_repeat: false }
        }
        Err(failure) => Answer { act: Some(act), ..Answer::failed(&failure) },
    }
}

/// Does it as the verb does, and says what was done.
fn carry_out(
    desk: &Desk,
    operator: &Operator,
    act: &Act,
    query: &Query,
) -> Result<String, Failure> {
    let why = flags::reason(query.text("reason").unwrap_or_default())
        .map_err(|_| Failure::new(Exit::Usage, "reason: say why, others will read it"))?;
    let named = query.text("who").map(|who| who.chars().take(WHO_MAX).collect::<String>());
    let who = flags::who(named.as_ref());
    let Act { row, of, step } = act;
    let asked = AskArgs { reason: Some(why.to_owned()), who: Some(who.clone()) };
    let said = match row.kind {
        ActKind::Order(order) => {
            let tag: Tag =
                of.parse().map_err(|error| Failure::new(Exit::Usage, format!("of: {error}")))?;
            let is_recorded = in_recorded_time(&desk.disk, &desk.layout, &tag)?;
            let args = CommandArgs {
                tag: Some(of.clone()),
                reason: why.to_owned(),
                who: Some(who.clone()),
                at: is_recorded.then(|| "next".to_owned()),
            };
            let (tag, given) = commands::take_down(&desk.root, order, &args)?;
            commands::said(order, &tag, &given)
        }
        ActKind::Pause => {
            let (job, who) = (of.clone(), Some(who.clone()));
            let args = PauseArgs { job, reason: why.to_owned(), who, during: None };
            pause::set(&desk.root, &args)?.iter().map(pause::said).collect()
        }
        ActKind::ResumeJob => {
            let (jobs, end) = resume::lift(&desk.root, of, (Some(why), Some(&who)))?;
            jobs.iter().map(|job| resume::said(job, &end)).collect()
        }
        ActKind::Run => {
            let mut jobs = matrix_of(desk, of);
            if jobs.is_empty() {
                let file = file_of(desk, of)?;
                // A job of a matrix has no file of its own.
                let own = format!("jobs/{file}.toml");
                jobs.push(if desk.root.join(&own).is_file() { own } else { file });
            }
            let args = |job: String| RunArgs {
                asked: asked.clone(),
                ..RunArgs::of(JobArgs::of(job.into()))
            };
            started(desk, operator, jobs.into_iter().map(args).collect())?
        }
        ActKind::Stop => stopped(desk, of, &format!("{why}, by {who}"))?,
        ActKind::Retry => {
            let args = RetryArgs { run: of.clone(), from: None, only: None, asked };
            started(desk, operator, vec![retry::again(&desk.root, &args)?])?
        }
        ActKind::Approve => {
            let (run, step, reason) = (of.clone(), step.clone(), why.to_owned());
            let args = ApproveArgs { run, step, reason, who: Some(who.clone()) };
            approve::give(&desk.root, &args)?.said()
        }
    };
    // Not every act keeps its reason where it is done.
    tracing::info!(
        "through the pages, by {who} ({why}): {} {}: {}",
        row.word,
        act.whom(),
        said.trim()
    );
    Ok(said)
}

fn stopped(desk: &Desk, run: &str, why: &str) -> Result<String, Failure> {
    let records = Records::open(&desk.root)?;
    let run = stop::target(&records, run)?;
    let id = &run.run_id;
    Ok(match stop::request_stop(&records, &run, &stop::reason(Some(why)))? {
        None => format!("run {id} is taken out of the queue\n"),
        Some(grace) => {
            format!("run {id} is asked to stop; it has {} for that\n", stop::span_of(grace))
        }
    })
}

/// Starts runs, each in a process of its own: several at the same time where they have no end, else one after another.
fn started(desk: &Desk, operator: &Operator, runs: Vec<RunArgs>) -> Result<String, Failure> {
    let (mut orders, mut at_once) = (VecDeque::new(), false);
    for args in runs {
        let loaded = load(&desk.root, &args.job, &facts()).map_err(|error| refusal(&error))?;
        let manifest = &loaded.resolved.manifest;
        at_once |= orders.is_empty() && manifest.job.common().has_no_end;
        orders.push_back(StartOrder { args, output_max: manifest.logs.max_size.get().bytes() });
    }
    let line = |record: &RunRecord| {
        let (run, job) = (&record.run_id, &record.job);
        format!("run {run} of job {job} was started: /runs/{run}\n")
    };
    let starter = &operator.starter;
    let later = orders.len().saturating_sub(1);
    if !at_once || later == 0 {
        let mut said = line(&starter.start(orders)?);
        if later > 0 {
            let _ = writeln!(said, "{later} more start after it, one by one");
        }
        return Ok(said);
    }
    let mut said = String::new();
    for order in orders {
        match starter.start(VecDeque::from([order])) {
            Ok(record) => said.push_str(&line(&record)),
            Err(failure) if said.is_empty() => return Err(failure),
            // Those before it run.
            Err(failure) => {
                let _ = writeln!(said, "not started: {}", failure.message);
            }
        }
    }
    Ok(said)
}
