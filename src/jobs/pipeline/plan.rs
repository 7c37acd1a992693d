//! Which step of a pipeline may start, and what becomes of the ones that cannot. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::When;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Not yet its turn.
    Waiting,
    /// At work.
    Running,
    /// Done as expected.
    Succeeded,
    /// Done, but not as expected.
    Failed,
    /// Its condition did not come true.
    Skipped,
}

impl StepState {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

/// A step's place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNode {
    pub id: String,
    /// Ids of the steps before it.
    pub needs: Vec<String>,
    /// On which outcome of those it runs.
    pub when: When,
}

/// The steps and how they stand.
#[derive(Debug, Clone)]
pub struct PipelinePlan {
    nodes: Vec<StepNode>,
    states: BTreeMap<String, StepState>,
    parallel_max: usize,
    fail_fast: bool,
    stopped: bool,
}

impl PipelinePlan {
    /// A plan in which nothing has started. The manifest's checks guarantee that needs exist and form no cycle.
    pub fn new(nodes: Vec<StepNode>, parallel_max: usize, fail_fast: bool) -> Self {
        let states = nodes.iter().map(|node| (node.id.clone(), StepState::Waiting)).collect();
        Self { nodes, states, parallel_max: parallel_max.max(1), fail_fast, stopped: false }
    }

    /// The pipeline is asked to stop: from now on only steps start that run in any case, the others are skipped.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Marks the steps that start now and returns their places; steps that can never run become skipped.
    pub fn start_ready(&mut self) -> Vec<usize> {
        let mut ready = Vec::new();
        // A step that is skipped may have been what another one waited for.
        while self.pass(&mut ready) {}
        ready
    }

    /// Looks at every step once; whether one was skipped.
    fn pass(&mut self, ready: &mut Vec<usize>) -> bool {
        let mut skipped = false;
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            if self.states[&node.id] != StepState::Waiting {
                continue;
            }
            let needs: Vec<StepState> = node.needs.iter().map(|id| self.states[id]).collect();
            if !needs.iter().all(|state| state.is_over()) {
                continue;
            }
            let all_well = needs.iter().all(|state| *state == StepState::Succeeded);
            let stopped_early = self.fail_fast && self.failed() && node.when == When::Success;
            let runs = match node.when {
                When::Always => true,
                When::Success => all_well && !stopped_early && !self.stopped,
                // A step that was stopped did not fail by itself.
                When::Failure => self.failed_before(node) && !self.stopped,
            };
            let id = node.id.clone();
            if !runs {
                self.states.insert(id, StepState::Skipped);
                skipped = true;
            } else if self.running() < self.parallel_max {
                self.states.insert(id, StepState::Running);
                ready.push(at);
            }
        }
        skipped
    }

    /// Whether a step failed among those that this one needs, those that they need, and so on.
    fn failed_before(&self, node: &StepNode) -> bool {
        let mut open: Vec<&str> = node.needs.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.states[id] == StepState::Failed {
                return true;
            }
            let before = self.nodes.iter().filter(|node| node.id == id);
            open.extend(before.flat_map(|node| &node.needs).map(String::as_str));
        }
        false
    }

    /// A step is over.
    pub fn ended(&mut self, id: &str, well: bool) {
        let state = if well { StepState::Succeeded } else { StepState::Failed };
        self.states.insert(id.to_owned(), state);
    }

    /// Nothing waits and nothing runs.
    pub fn is_over(&self) -> bool {
        self.states.values().all(|state| state.is_over())
    }

    /// A step failed.
    pub fn failed(&self) -> bool {
        self.states.values().any(|state| *state == StepState::Failed)
    }

    /// How each step stands, in the order of the file.
    pub fn states(&self) -> impl Iterator<Item = (&str, StepState)> {
        self.nodes.iter().map(|node| (node.id.as_str(), self.states[&node.id]))
    }

    fn running(&self) -> usize {
        self.states.values().filter(|state| **state == StepState::Running).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, needs: &[&str], when: When) -> StepNode {
        StepNode { id: id.into(), needs: needs.iter().map(|id| (*id).to_owned()).collect(), when }
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
            let id = nodes[running.remove(0)].id.clone();
            plan.ended(&id, !failing.contains(&id.as_str()));
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
        assert_eq!(plan.start_ready(), [0]);
        plan.stop();
        assert!(plan.start_ready().is_empty(), "what is at work comes first");
        plan.ended("a", false);
        assert_eq!(plan.start_ready(), [4]);
        plan.ended("down", true);
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
}
