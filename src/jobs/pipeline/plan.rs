//! Which steps and items of a pipeline may start, and what becomes of the ones that cannot. Pure.

use std::collections::BTreeSet;

use crate::{manifest::When, store::runs::StepState};

/// A step's place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNode {
    pub id: String,
    /// Ids of the steps before it.
    pub needs: Vec<String>,
    /// On which outcome of those it runs.
    pub when: When,
    /// How many items it has; 1 where it has none.
    pub tasks: usize,
    /// Most of its items that run at the same time.
    pub parallel_max: usize,
    /// Whether it waits for an approval.
    pub asks: bool,
}

/// One item of a step: the places of both.
pub type TaskPlace = (usize, usize);

#[derive(Debug, Clone)]
struct StepCourse {
    node: StepNode,
    /// What is so of the step as a whole: that it asks, is skipped or left.
    whole: Option<StepState>,
    tasks: Vec<StepState>,
}

impl StepCourse {
    fn state(&self) -> StepState {
        if let Some(whole) = self.whole {
            return whole;
        }
        let all = |state: StepState| self.tasks.iter().all(|task| *task == state);
        if all(StepState::Waiting) {
            return StepState::Waiting;
        }
        if self.tasks.iter().any(|task| !task.is_over()) {
            return StepState::Running;
        }
        for same in [StepState::Skipped, StepState::Kept, StepState::UpToDate] {
            if all(same) {
                return same;
            }
        }
        let well = self.tasks.iter().all(|task| task.is_well());
        if well { StepState::Succeeded } else { StepState::Failed }
    }

    fn running(&self) -> usize {
        self.tasks.iter().filter(|task| **task == StepState::Running).count()
    }
}

/// The steps and how they stand.
#[derive(Debug, Clone)]
pub struct PipelinePlan {
    steps: Vec<StepCourse>,
    parallel_max: usize,
    fail_fast: bool,
    stopped: bool,
}

impl PipelinePlan {
    /// A plan in which nothing has started. The manifest's checks guarantee that needs exist and form no cycle.
    pub fn new(nodes: Vec<StepNode>, parallel_max: usize, fail_fast: bool) -> Self {
        let course = |node: StepNode| StepCourse {
            whole: None,
            tasks: vec![StepState::Waiting; node.tasks.max(1)],
            node,
        };
        let steps = nodes.into_iter().map(course).collect();
        Self { steps, parallel_max: parallel_max.max(1), fail_fast, stopped: false }
    }

    /// The pipeline is asked to stop: from now on only steps start that run in any case, the others are skipped.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// A step may start as far as approvals go.
    pub fn approve(&mut self, at: usize) {
        let step = &mut self.steps[at];
        step.node.asks = false;
        if step.whole == Some(StepState::Asking) {
            step.whole = None;
        }
    }

    /// How an item stands that this run does not begin with.
    pub fn preset(&mut self, (at, task): TaskPlace, state: StepState) {
        self.steps[at].tasks[task] = state;
    }

    /// How a whole step stands that this run does not begin with.
    pub fn preset_step(&mut self, at: usize, state: StepState) {
        self.steps[at].whole = Some(state);
    }

    /// A step that runs whatever became of those it needs.
    pub fn alone(&mut self, at: usize) {
        let node = &mut self.steps[at].node;
        node.needs.clear();
        node.when = When::Success;
    }

    /// Marks the items that start now and returns their places; steps that can never run become skipped.
    pub fn start_ready(&mut self) -> Vec<TaskPlace> {
        let mut ready = Vec::new();
        // A step that is skipped may have been what another one waited for.
        while self.pass(&mut ready) {}
        ready
    }

    /// Looks at every step once; whether one was skipped.
    fn pass(&mut self, ready: &mut Vec<TaskPlace>) -> bool {
        let mut skipped = false;
        for at in 0..self.steps.len() {
            match self.steps[at].state() {
                StepState::Waiting | StepState::Asking => {
                    let Some(runs) = self.runs(at) else { continue };
                    if !runs {
                        self.steps[at].whole = Some(StepState::Skipped);
                        skipped = true;
                    } else if self.steps[at].node.asks {
                        self.steps[at].whole = Some(StepState::Asking);
                    } else {
                        self.fill(at, ready);
                    }
                }
                StepState::Running => self.fill(at, ready),
                StepState::Succeeded
                | StepState::UpToDate
                | StepState::Kept
                | StepState::Failed
                | StepState::Skipped
                | StepState::Left => {}
            }
        }
        skipped
    }

    /// Whether a step runs; `None` while that is open.
    fn runs(&self, at: usize) -> Option<bool> {
        let node = &self.steps[at].node;
        let needs: Vec<StepState> = node.needs.iter().map(|id| self.state(id)).collect();
        if !needs.iter().all(|state| state.is_over()) {
            return None;
        }
        let all_well = needs.iter().all(|state| state.is_well());
        let stopped_early = self.fail_fast && self.failed() && node.when == When::Success;
        Some(match node.when {
            When::Always => true,
            When::Success => all_well && !stopped_early && !self.stopped,
            // A step that was stopped did not fail by itself.
            When::Failure => self.failed_before(node) && !self.stopped,
        })
    }

    /// Starts as many items of a step as there is room for. Once the pipeline is stopped, those that have not started never do.
    fn fill(&mut self, at: usize, ready: &mut Vec<TaskPlace>) {
        let is_cut = self.stopped && self.steps[at].node.when != When::Always;
        for task in 0..self.steps[at].tasks.len() {
            if self.steps[at].tasks[task] != StepState::Waiting {
                continue;
            }
            if is_cut {
                self.steps[at].tasks[task] = StepState::Skipped;
            } else if self.running() < self.parallel_max
                && self.steps[at].running() < self.steps[at].node.parallel_max.max(1)
            {
                self.steps[at].tasks[task] = StepState::Running;
                ready.push((at, task));
            }
        }
    }

    fn state(&self, id: &str) -> StepState {
        let found = self.steps.iter().find(|step| step.node.id == id);
        found.expect("the manifest's checks know every need").state()
    }

    /// Whether a step failed among those that this one needs, those that they need, and so on.
    fn failed_before(&self, node: &StepNode) -> bool {
        let mut open: Vec<&str> = node.needs.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.state(id) == StepState::Failed {
                return true;
            }
            let before = self.steps.iter().filter(|step| step.node.id == id);
            open.extend(before.flat_map(|step| &step.node.needs).map(String::as_str));
        }
        false
    }

    /// An item is over.
    pub fn ended(&mut self, (at, task): TaskPlace, state: StepState) {
        self.steps[at].tasks[task] = state;
    }

    /// Nothing waits and nothing runs.
    pub fn is_over(&self) -> bool {
        self.steps.iter().all(|step| step.state().is_over())
    }

    /// The places of the steps that wait for an approval.
    pub fn asking(&self) -> Vec<usize> {
        let asks = |at: &usize| self.steps[*at].state() == StepState::Asking;
        (0..self.steps.len()).filter(asks).collect()
    }

    /// Nothing goes on before somebody approves something.
    pub fn is_stuck(&self) -> bool {
        self.running() == 0 && !self.is_over() && !self.asking().is_empty()
    }

    /// A step failed.
    pub fn failed(&self) -> bool {
        self.steps.iter().any(|step| step.state() == StepState::Failed)
    }

    /// Everything was done, by this run or before it.
    pub fn is_whole(&self) -> bool {
        self.steps.iter().all(|step| step.state() != StepState::Left)
    }

    /// How each step stands, in the order of the file.
    pub fn states(&self) -> impl Iterator<Item = (&str, StepState)> {
        self.steps.iter().map(|step| (step.node.id.as_str(), step.state()))
    }

    /// How one item stands.
    pub fn task(&self, (at, task): TaskPlace) -> StepState {
        self.steps[at].tasks[task]
    }

    fn running(&self) -> usize {
        self.steps.iter().map(StepCourse::running).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, needs: &[&str], when: When) -> StepNode {
        let needs = needs.iter().map(|id| (*id).to_owned()).collect();
        StepNode { id: id.into(), needs, when, tasks: 1, parallel_max: 1, asks: false }
    }

    /// Runs a plan in which the named steps fail, and tells how every step ended and the most that ran at once.
    fn play(
        nodes: &[StepNode],
        parallel_max: usize,
        fail_fast: bool,
        failing: &[&str],
    ) -> (String, usize) {
        let mut plan = PipelinePlan::new(nodes.to_vec(), parallel_max, fail_fast);
        let (mut running, mut most) = (Vec::new(), 0);
        while !plan.is_over() {
            running.extend(plan.start_ready());
            most = most.max(running.len());
            if running.is_empty() {
                continue;
            }
            let place: TaskPlace = running.remove(0);
            let failed = failing.contains(&nodes[place.0].id.as_str());
            plan.ended(place, if failed { StepState::Failed } else { StepState::Succeeded });
        }
        (
            plan.states()
                .map(|(id, state)| format!("{id} {}", state.name()))
                .collect::<Vec<_>>()
                .join(", "),
            most,
        )
    }

    #[test]
    fn steps_run_in_order_and_no_more_at_once_than_allowed() {
        let nodes = vec![
            node("a", &[], When::Success),
            node("b", &[], When::Success),
            node("c", &["a", "b"], When::Success),
        ];
        assert_eq!(play(&nodes, 1, true, &[]), ("a succeeded, b succeeded, c succeeded".into(), 1));
        assert_eq!(play(&nodes, 8, true, &[]).1, 2);
    }

    #[test]
    fn a_failure_skips_what_needs_it_and_runs_what_waits_for_it() {
        let nodes = vec![
            node("a", &[], When::Success),
            node("b", &["a"], When::Success),
            node("repair", &["a"], When::Failure),
            node("report", &["b"], When::Always),
        ];
        let (ended, _) = play(&nodes, 2, true, &["a"]);
        assert_eq!(ended, "a failed, b skipped, repair succeeded, report succeeded");
        let (ended, _) = play(&nodes, 2, true, &[]);
        assert_eq!(ended, "a succeeded, b succeeded, repair skipped, report succeeded");
    }

    #[test]
    fn a_failure_anywhere_before_is_answered() {
        let nodes = vec![
            node("a", &[], When::Success),
            node("b", &["a"], When::Success),
            node("c", &["b"], When::Success),
            node("tell", &["c"], When::Failure),
            node("other", &[], When::Success),
            node("quiet", &["other"], When::Failure),
            node("after", &["tell"], When::Always),
        ];
        let ends = |failing: &[&str]| play(&nodes, 3, false, failing).0;
        let skipped =
            "b skipped, c skipped, tell succeeded, other succeeded, quiet skipped, after succeeded";
        assert_eq!(ends(&["a"]), format!("a failed, {skipped}"));
        assert_eq!(
            ends(&["other"]),
            "a succeeded, b succeeded, c succeeded, tell skipped, other failed, quiet succeeded, after succeeded"
        );
        // One that answers and fails itself is a failure before those that need it.
        let chain = vec![
            node("a", &[], When::Success),
            node("repair", &["a"], When::Failure),
            node("last", &["repair"], When::Failure),
        ];
        assert_eq!(play(&chain, 1, true, &["a"]).0, "a failed, repair succeeded, last succeeded");
    }

    #[test]
    fn after_a_stop_only_what_runs_in_any_case_starts() {
        let nodes = vec![
            node("a", &[], When::Success),
            node("b", &["a"], When::Success),
            node("free", &[], When::Success),
            node("answer", &["a"], When::Failure),
            node("down", &["b"], When::Always),
            node("last", &["down"], When::Success),
        ];
        let mut plan = PipelinePlan::new(nodes, 1, false);
        assert_eq!(plan.start_ready(), [(0, 0)]);
        plan.stop();
        assert!(plan.start_ready().is_empty(), "what is at work comes first");
        plan.ended((0, 0), StepState::Failed);
        assert_eq!(plan.start_ready(), [(4, 0)]);
        plan.ended((4, 0), StepState::Succeeded);
        assert!(plan.start_ready().is_empty() && plan.is_over());
        let states: Vec<_> = plan.states().map(|(_, state)| state.name()).collect();
        assert_eq!(states, ["failed", "skipped", "skipped", "skipped", "succeeded", "skipped"]);
    }

    #[test]
    fn fail_fast_keeps_independent_steps_from_starting_and_its_absence_lets_them() {
        let nodes = vec![node("a", &[], When::Success), node("b", &[], When::Success)];
        assert_eq!(play(&nodes, 1, true, &["a"]).0, "a failed, b skipped");
        assert_eq!(play(&nodes, 1, false, &["a"]).0, "a failed, b succeeded");
    }

    #[test]
    fn one_item_that_fails_does_not_stop_the_others_and_fails_its_step() {
        let fan = StepNode { tasks: 4, parallel_max: 2, ..node("fan", &[], When::Success) };
        let nodes =
            vec![fan, node("after", &["fan"], When::Success), node("free", &[], When::Success)];
        let mut plan = PipelinePlan::new(nodes, 3, true);
        assert_eq!(plan.start_ready(), [(0, 0), (0, 1), (2, 0)], "two items, three in all");
        plan.ended((0, 0), StepState::Failed);
        assert_eq!(plan.start_ready(), [(0, 2)]);
        plan.ended((2, 0), StepState::Succeeded);
        assert!(plan.start_ready().is_empty(), "no more than two items of the step");
        plan.ended((0, 1), StepState::Succeeded);
        assert_eq!(plan.start_ready(), [(0, 3)]);
        plan.ended((0, 2), StepState::UpToDate);
        plan.ended((0, 3), StepState::Succeeded);
        assert!(plan.start_ready().is_empty() && plan.is_over());
        let states: Vec<_> = plan.states().map(|(_, state)| state.name()).collect();
        assert_eq!(states, ["failed", "skipped", "succeeded"]);
        assert_eq!(plan.task((0, 2)), StepState::UpToDate);
    }

    #[test]
    fn items_that_have_not_started_never_do_once_the_pipeline_is_stopped() {
        let fan = StepNode { tasks: 3, ..node("fan", &[], When::Success) };
        let mut plan = PipelinePlan::new(vec![fan], 1, true);
        assert_eq!(plan.start_ready(), [(0, 0)]);
        plan.stop();
        plan.ended((0, 0), StepState::Succeeded);
        assert!(plan.start_ready().is_empty() && plan.is_over());
        assert!(plan.failed(), "part of it was not done");
    }

    #[test]
    fn a_step_that_asks_keeps_what_needs_it_waiting_and_nothing_else() {
        let go = StepNode { asks: true, ..node("go", &["a"], When::Success) };
        let nodes = vec![
            node("a", &[], When::Success),
            go,
            node("last", &["go"], When::Success),
            node("b", &["a"], When::Success),
        ];
        let mut plan = PipelinePlan::new(nodes, 1, true);
        assert_eq!(plan.start_ready(), [(0, 0)]);
        assert!(!plan.is_stuck() && plan.asking().is_empty(), "its turn has not come");
        plan.ended((0, 0), StepState::Succeeded);
        assert_eq!(plan.start_ready(), [(3, 0)]);
        assert!(!plan.is_stuck(), "another one is at work");
        plan.ended((3, 0), StepState::Succeeded);
        assert!(plan.start_ready().is_empty());
        assert_eq!((plan.is_stuck(), plan.asking()), (true, vec![1]));
        let mut stopped = plan.clone();
        stopped.stop();
        assert!(stopped.start_ready().is_empty() && stopped.is_over());
        plan.approve(1);
        assert_eq!(plan.start_ready(), [(1, 0)]);
        plan.ended((1, 0), StepState::Succeeded);
        assert_eq!(plan.start_ready(), [(2, 0)]);
    }
}
