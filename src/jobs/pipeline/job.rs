//! The pipeline job: starts each step as a child process of its own and follows the plan. How it stands is on the disk at every moment.

use std::{collections::BTreeMap, io, time::Duration};

use tokio::task::{Id, JoinSet};

use super::{
    again::{go_on, repeat},
    child::{argv, child_id, judge, outputs, values, words},
    fresh::{self, StepRecipe},
    outcome::{outcome, waits},
    plan::{PipelinePlan, StepNode, TaskPlace},
};
use crate::{
    clock::{Clock as _, Deadline, SystemClock},
    domain::ids::RunId,
    exit::Exit,
    jobs::context::{Context, Failure, Outcome, runtime},
    manifest::{Item, PipelineJob, PipelineStep, When, Work},
    os::{
        process::{self, Asker, Kin, ProcessEnd, Spawn},
        signals::Stop,
    },
    store::runs::{
        RunStore, StepApproval, StepRecord, StepState, StepTask, StepsRecord, StepsRetry,
    },
};

/// The variable from which jobs that name no device take theirs.
const DEVICE: &str = "MJOLNIR_DEVICE";
/// Between two looks at whether a step was approved.
const LOOK: Duration = Duration::from_millis(500);

type Children = JoinSet<(TaskPlace, io::Result<ProcessEnd>)>;

pub fn run(
    context: &Context<'_>,
    job: &PipelineJob,
    globals: &[String],
) -> Result<Outcome, Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut course = Course::new(context, job, globals)?;
        let ended = course.follow().await;
        course.trouble.take().map_or(Ok(ended), Err)
    })
}

/// A pipeline on its way.
struct Course<'a, 'c> {
    context: &'a Context<'c>,
    job: &'a PipelineJob,
    globals: &'a [String],
    plan: PipelinePlan,
    /// What is left of it on the disk.
    record: StepsRecord,
    /// What items are made of that are at work.
    recipes: BTreeMap<TaskPlace, StepRecipe>,
    /// Until when the steps that run in any case may take, once the pipeline is asked to stop.
    after: Option<Deadline>,
    /// Why how it stands could not be written.
    trouble: Option<Failure>,
}

impl<'a, 'c> Course<'a, 'c> {
    fn new(
        context: &'a Context<'c>,
        job: &'a PipelineJob,
        globals: &'a [String],
    ) -> Result<Self, Failure> {
        let most = job.pipeline.max_parallel as usize;
        let node = |step: &PipelineStep| StepNode {
            id: step.id.clone(),
            needs: step.needs.clone(),
            when: step.when,
            tasks: step.items.as_ref().map_or(1, Vec::len),
            parallel_max: step.parallel_max.map_or(most, |most| most as usize),
            asks: step.approve.is_some(),
        };
        let nodes = job.steps.iter().map(node).collect();
        let mut plan = PipelinePlan::new(nodes, most, job.pipeline.fail_fast);
        let attempt = context.resume.attempt.unwrap_or(1);
        let retry = context.resume.retry.clone();
        let steps = job.steps.iter().map(blank).collect();
        let mut record =
            StepsRecord::new((&context.run_id, attempt), &context.job, retry.clone(), steps);
        let before = StepsRecord::read(context.disk, context.layout, &context.run_id)?;
        if let Some(before) = before.filter(|before| before.attempt == attempt) {
            go_on(&mut plan, &mut record, &before);
        } else if let Some(retry) = &retry {
            let old = earlier(context, retry)?;
            repeat(&mut plan, &mut record, (&job.steps, &old), retry)
                .map_err(|why| Failure::new(Exit::Usage, why))?;
        }
        let (recipes, after, trouble) = (BTreeMap::new(), None, None);
        Ok(Self { context, job, globals, plan, record, recipes, after, trouble })
    }

    async fn follow(&mut self) -> Outcome {
        let mut children: Children = JoinSet::new();
        let mut places: BTreeMap<Id, TaskPlace> = BTreeMap::new();
        // Whatever becomes of one step, every one that was started is waited for, so that none outlives its pipeline.
        while !self.plan.is_over() {
            // A step that cannot start is over at once, and others may have waited for it.
            while self.start_ready(&mut children, &mut places).await {}
            self.asked();
            self.save();
            if self.plan.is_over() {
                break;
            }
            if self.plan.is_stuck() && self.context.resume.attempt.is_some() {
                return waits(self.context, &self.record);
            }
            if self.plan.asking().is_empty() {
                if let Some(joined) = children.join_next_with_id().await {
                    self.joined(joined, &places);
                }
            } else if children.is_empty() {
                let _ = tokio::time::timeout(LOOK, std::future::pending::<()>()).await;
            } else if let Ok(Some(joined)) =
                tokio::time::timeout(LOOK, children.join_next_with_id()).await
            {
                self.joined(joined, &places);
            }
        }
        self.save();
        outcome(self.context, &self.plan, &self.record)
    }

    /// Starts what may start; whether anything was, or was approved.
    async fn start_ready(
        &mut self,
        children: &mut Children,
        places: &mut BTreeMap<Id, TaskPlace>,
    ) -> bool {
        self.look();
        let ready = self.plan.start_ready();
        let any = !ready.is_empty();
        for place in ready {
            if let Some(started) = self.start(place).await {
                places.insert(children.spawn(started).id(), place);
            }
        }
        any || self.hears()
    }

    fn joined(
        &mut self,
        joined: Result<(Id, (TaskPlace, io::Result<ProcessEnd>)), tokio::task::JoinError>,
        places: &BTreeMap<Id, TaskPlace>,
    ) {
        let (place, ended) = match joined {
            Ok((_, ended)) => ended,
            Err(error) => {
                let place = places.get(&error.id()).copied().unwrap_or_default();
                (place, Err(io::Error::other(format!("its task died: {error}"))))
            }
        };
        self.end(place, ended);
    }

    /// Whether the pipeline is asked to stop: then what runs in any case has the second half of the grace.
    fn look(&mut self) {
        if self.context.stop.asked() && self.after.is_none() {
            self.plan.stop();
            self.after = Some(Deadline::after(Some(self.half())));
        }
    }

    /// Whether a step was approved since the last look.
    fn hears(&mut self) -> bool {
        self.take_approvals().unwrap_or_else(|failure| {
            tracing::warn!("approvals cannot be read: {}", failure.message);
            false
        })
    }

    /// Steps that somebody approved may start. What was approved and does not ask is taken note of all the same, so that it is not news for
    /// ever.
    fn take_approvals(&mut self) -> Result<bool, Failure> {
        let asking = self.plan.asking();
        if asking.is_empty() {
            return Ok(false);
        }
        let mut heard = false;
        let (run, attempt) = (self.context.run_id.clone(), self.record.attempt);
        let store = RunStore::open(self.context.disk, self.context.layout)?;
        for given in store.approvals(&run, attempt)? {
            let of = |at: &&usize| self.job.steps[**at].id == given.step;
            if let Some(at) = asking.iter().find(of) {
                tracing::info!(step = given.step, "approved by {}: {}", given.who, given.reason);
                if let Some(approve) = &mut self.record.steps[*at].approve {
                    approve.who = Some(given.who);
                    approve.reason = Some(given.reason);
                    approve.given_ms = Some(given.at.get());
                }
                self.plan.approve(*at);
                self.save();
                heard = true;
            }
            store.take_approval(&run, attempt, &given.step)?;
        }
        Ok(heard)
    }

    /// Notes which steps ask, and tells people once.
    fn asked(&mut self) {
        for at in self.plan.asking() {
            let step = &mut self.record.steps[at];
            let Some(approve) = step.approve.as_mut().filter(|a| a.asked_ms.is_none()) else {
                continue;
            };
            approve.asked_ms = Some(SystemClock.now().get());
            let (run, id, text) = (&self.context.run_id, &step.id, &approve.text);
            tracing::warn!(
                "step {id} waits for approval: {text}: `runner approve {run} {id} --reason ...`"
            );
        }
    }

    /// Leaves on the disk how it stands.
    fn save(&mut self) {
        let states: Vec<StepState> = self.plan.states().map(|(_, state)| state).collect();
        for (at, (step, state)) in self.record.steps.iter_mut().zip(states).enumerate() {
            step.state = state;
            for (task, one) in step.tasks.iter_mut().enumerate() {
                let own = self.plan.task((at, task));
                let is_whole = matches!(state, StepState::Skipped | StepState::Left);
                one.state = if is_whole { state } else { own };
            }
        }
        if let Err(error) = self.record.write(self.context.disk, self.context.layout) {
            tracing::error!("{error}");
            self.trouble.get_or_insert_with(|| error.into());
        }
    }

    fn half(&self) -> Duration {
        self.context.grace / 2
    }

    /// How long a step has from TERM to KILL: all of the grace, or what leaves time for those that run in any case.
    fn grace(&self) -> Duration {
        let has_more = self.job.steps.iter().any(|step| step.when == When::Always);
        if has_more { self.half() } else { self.context.grace }
    }

    /// Bounds a step that runs after the stop, and gives it something else to listen to: that stop was for others.
    fn bounded(&self, mut spawn: Spawn) -> (Spawn, Stop) {
        spawn.grace = self.grace();
        let Some(after) = self.after else { return (spawn, self.context.stop.clone()) };
        let left = after.left();
        let most = left * 3 / 4;
        spawn.timeout = Some(spawn.timeout.map_or(most, |limit| limit.min(most)));
        spawn.grace = left / 4;
        (spawn, Stop::default())
    }

    fn step(&self, (at, task): TaskPlace) -> (&'a PipelineStep, Option<&'a Item>) {
        let step = &self.job.steps[at];
        (step, step.items.as_ref().map(|items| &items[task]))
    }

    /// An item that starts. One that cannot fails by itself, and one that is up to date need not: the others go on.
    async fn start(
        &mut self,
        place: TaskPlace,
    ) -> Option<impl Future<Output = (TaskPlace, io::Result<ProcessEnd>)> + Send + use<>> {
        let (step, item) = self.step(place);
        let of = named(step, item);
        let (spawn, child) = match self.prepare(place).await {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                self.save();
                return None;
            }
            Err(failure) => {
                tracing::error!(step = of, "could not be started: {}", failure.message);
                self.task(place).said = Some(failure.message);
                self.plan.ended(place, StepState::Failed);
                self.save();
                return None;
            }
        };
        let is_job = matches!(step.work, Work::Job { .. });
        let (spawn, stop) = self.bounded(spawn);
        tracing::info!(step = of, argv = spawn.argv.join(" "), "step starts");
        let tag = self.context.process_tag(&child);
        let task = self.task(place);
        task.run_id = is_job.then_some(child);
        task.started_ms = Some(SystemClock.now().get());
        self.save();
        let asked_by = if is_job { Asker::Child } else { Asker::Us };
        Some(async move {
            let kin = Kin { tag: &tag, asked_by };
            let ended = process::run(&spawn, Some(kin), &stop).await;
            let program = spawn.argv.first().map_or("", String::as_str);
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("start `{program}`: {error}"))
            };
            (place, ended.map_err(named))
        })
    }

    /// What an item starts, and the id of its run; `None` where it is up to date.
    async fn prepare(&mut self, place: TaskPlace) -> Result<Option<(Spawn, String)>, Failure> {
        let (step, item) = self.step(place);
        let values = values(&self.out(), item);
        let words = words(step, &values)?;
        let name = item.map(|item| item.name.as_str());
        if let Some(recipe) = fresh::recipe(self.context, step, &words, (&values, name)).await? {
            let known = fresh::up_to_date(self.context, &recipe)?;
            self.task(place).hash = Some(recipe.hash.clone());
            if let Some(known) = known {
                let (hash, run) = (&recipe.hash, &known.run_id);
                tracing::info!(
                    step = named(step, item),
                    hash,
                    "step is up to date since run {run}"
                );
                let task = self.task(place);
                task.of_run = Some(known.run_id);
                task.out = known.out;
                self.plan.ended(place, StepState::UpToDate);
                return Ok(None);
            }
            self.recipes.insert(place, recipe);
        }
        let child = child_id(self.context, step, item);
        // What a step leaves behind ends with its pipeline.
        let mut env = self.context.process_tag(self.context.run_id.as_str()).variables();
        env.insert(DEVICE.to_owned(), self.job.device.name().to_owned());
        let spawn = Spawn {
            argv: argv(self.context, step, &words, (self.globals, &child))?,
            env,
            dir: self.context.root.to_owned(),
            timeout: step.timeout.as_ref().map(|limit| limit.get().duration()),
            grace: self.context.grace,
            results: self.context.child_results,
        };
        Ok(Some((spawn, child)))
    }

    /// An item is over.
    fn end(&mut self, place: TaskPlace, ended: io::Result<ProcessEnd>) {
        let (step, item) = self.step(place);
        let of = named(step, item);
        self.task(place).ended_ms = Some(SystemClock.now().get());
        let mut well = match ended {
            Ok(ended) => {
                self.task(place).exit = Some(ended.code);
                judge(step, &of, &ended)
            }
            Err(error) => {
                tracing::error!("step {of}: {error}");
                self.task(place).said = Some(error.to_string());
                false
            }
        };
        match outputs(self.context, &child_id(self.context, step, item)) {
            Ok(out) => self.task(place).out = out,
            Err(failure) => {
                tracing::error!(step = of, "its result cannot be read: {}", failure.message);
                well = false;
            }
        }
        if let Some(recipe) = self.recipes.remove(&place).filter(|_| well)
            && let Err(failure) =
                fresh::remember(self.context, &recipe, &self.task(place).out.clone())
        {
            tracing::error!(step = of, "{}", failure.message);
            self.task(place).said = Some(failure.message);
            well = false;
        }
        self.plan.ended(place, if well { StepState::Succeeded } else { StepState::Failed });
    }

    fn task(&mut self, (at, task): TaskPlace) -> &mut StepTask {
        &mut self.record.steps[at].tasks[task]
    }

    /// What the steps without items have put out.
    fn out(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for step in &self.record.steps {
            for task in step.tasks.iter().filter(|task| task.item.is_none()) {
                let named = |(key, value): (&String, &String)| {
                    (format!("steps.{}.out.{key}", step.id), value.clone())
                };
                all.extend(task.out.iter().map(named));
            }
        }
        all
    }
}

/// A step that has not started.
fn blank(step: &PipelineStep) -> StepRecord {
    let tasks = step.items.as_ref().map_or_else(
        || vec![StepTask::waiting(None)],
        |items| {
            let one =
                |item: &Item| StepTask::waiting(Some((item.value.clone(), item.name.clone())));
            items.iter().map(one).collect()
        },
    );
    let approve = step.approve.clone().map(|text| StepApproval {
        text,
        asked_ms: None,
        who: None,
        reason: None,
        given_ms: None,
    });
    StepRecord { id: step.id.clone(), state: StepState::Waiting, approve, tasks }
}

/// The steps of the run that is repeated in part.
fn earlier(context: &Context<'_>, retry: &StepsRetry) -> Result<StepsRecord, Failure> {
    let run = &retry.run_id;
    let id: RunId = run.parse().map_err(|error: crate::domain::ids::NameError| {
        Failure::new(Exit::Usage, error.to_string())
    })?;
    StepsRecord::read(context.disk, context.layout, &id)?.ok_or_else(|| {
        let message =
            format!("run {run} left no record of its steps: repeat it whole, `runner retry {run}`");
        Failure::new(Exit::Nothing, message)
    })
}

/// A step, with its item, as messages call it.
fn named(step: &PipelineStep, item: Option<&Item>) -> String {
    item.map_or_else(|| step.id.clone(), |item| format!("{}[{}]", step.id, item.value))
}
