//! The program of what depends on bars alone: a list of steps, each written once however often it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::Lets,
    functions::Back,
    kernels::window::Length,
    op::Op,
    running::Settings,
    term::{Call, Term, What},
    values::{Clock, Price},
};
use crate::domain::time::Timeframe;

/// The place of a value in the columns of a run.
pub(super) type Register = usize;

/// How one column is made. Steps read columns before their own only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The same number at every bar, as its bits.
    Constant(u64),
    Price(Price),
    Clock(Clock),
    Op(Op, [Register; 3]),
    /// A function that looks back: its inputs, lengths, and the bits of its factor.
    Back(Back, [Register; 2], [Length; 3], u64),
    Ago(Register, Length),
    /// A value on bars of a longer timeframe: which of [`Program::frames`], and which of its outputs.
    Frame(usize, usize),
}

/// At which of several bars a step is worked out when only what is remembered of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Silent {
    /// At none: nothing that remembers reads it.
    Never,
    /// At the newest ones: it remembers one bar.
    Last,
    /// At all.
    Always,
}

/// The steps, and which columns are wanted.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) timeframe: Timeframe,
    pub(super) steps: Vec<Step>,
    /// At which bars each step is worked out where nobody asks for values.
    pub(super) silent: Vec<Silent>,
    pub(super) outputs: Vec<Register>,
    /// Programs on bars of longer timeframes.
    pub(super) frames: Vec<Self>,
}

impl Program {
    /// The program of these terms on bars of a timeframe. Every name is looked up in `lets`.
    pub(super) fn new<'a>(
        terms: impl Iterator<Item = &'a Term>,
        lets: &Lets,
        timeframe: Timeframe,
    ) -> Self {
        let mut builder = Builder::new(lets, timeframe);
        let outputs = terms.map(|term| builder.register(term)).collect();
        builder.finish(outputs)
    }

    /// Several programs as one, with where the outputs of each are among its own. Steps that are the same are there once.
    pub(super) fn together(programs: &[&Self]) -> (Self, Vec<Vec<usize>>) {
        let timeframe = programs.first().map_or(Timeframe::M1, |program| program.timeframe);
        let mut all = Self::empty(timeframe);
        let mut known = Known::default();
        let places = programs.iter().map(|program| all.take(program, &mut known)).collect();
        all.settle();
        (all, places)
    }

    fn empty(timeframe: Timeframe) -> Self {
        Self { timeframe, steps: vec![], silent: vec![], outputs: vec![], frames: vec![] }
    }

    /// Says of every step where it is worked out, now that all of them are there.
    fn settle(&mut self) {
        self.silent = silent(&self.steps);
        self.frames.iter_mut().for_each(Self::settle);
    }

    /// Takes in another program; returns where its outputs are.
    fn take(&mut self, other: &Self, known: &mut Known) -> Vec<usize> {
        let mut frames = Vec::new();
        for frame in &other.frames {
            let at = self.frames.iter().position(|ours| ours.timeframe == frame.timeframe);
            let at = at.unwrap_or_else(|| {
                self.frames.push(Self::empty(frame.timeframe));
                known.frames.push(Known::default());
                self.frames.len() - 1
            });
            frames.push((at, self.frames[at].take(frame, &mut known.frames[at])));
        }
        let mut registers: Vec<Register> = Vec::with_capacity(other.steps.len());
        for step in &other.steps {
            let at = |register: Register| registers.get(register).copied().unwrap_or(0);
            let step = match *step {
                Step::Constant(_) | Step::Price(_) | Step::Clock(_) => *step,
                Step::Op(op, inputs) => Step::Op(op, inputs.map(at)),
                // Without inputs it names the first column, whatever that is.
                Step::Back(back, inputs, lengths, factor) => {
                    let inputs = if back.has_inputs() { inputs.map(at) } else { [0; 2] };
                    Step::Back(back, inputs, lengths, factor)
                }
                Step::Ago(input, n) => Step::Ago(at(input), n),
                Step::Frame(frame, output) => {
                    let (frame, outputs) = &frames[frame];
                    Step::Frame(*frame, outputs[output])
                }
            };
            registers.push(known.step(&mut self.steps, step));
        }
        let outputs = other.outputs.iter().map(|register| registers[*register]);
        outputs.map(|register| known.output(&mut self.outputs, register)).collect()
    }

    /// How many operations it has, with those on longer timeframes.
    pub(super) fn operations(&self) -> usize {
        self.steps.len() + self.frames.iter().map(Self::operations).sum::<usize>()
    }
}

/// What a program of several has already.
#[derive(Debug, Default)]
struct Known {
    steps: BTreeMap<Step, Register>,
    outputs: BTreeMap<Register, usize>,
    frames: Vec<Self>,
}

impl Known {
    fn step(&mut self, steps: &mut Vec<Step>, step: Step) -> Register {
        *self.steps.entry(step).or_insert_with(|| {
            steps.push(step);
            steps.len() - 1
        })
    }

    fn output(&mut self, outputs: &mut Vec<Register>, register: Register) -> usize {
        *self.outputs.entry(register).or_insert_with(|| {
            outputs.push(register);
            outputs.len() - 1
        })
    }
}

impl Step {
    /// Whether it remembers something from bar to bar.
    pub(super) const fn remembers(&self) -> bool {
        matches!(self, Self::Back(..) | Self::Ago(..))
    }

    /// At which bars it is worked out for its own sake.
    const fn silent(&self) -> Silent {
        match self {
            Self::Back(Back::CrossesAbove | Back::CrossesBelow, ..) => Silent::Last,
            Self::Back(..) | Self::Ago(..) => Silent::Always,
            Self::Constant(_)
            | Self::Price(_)
            | Self::Clock(_)
            | Self::Op(..)
            | Self::Frame(..) => Silent::Never,
        }
    }

    /// The columns it reads.
    fn inputs(&self) -> &[Register] {
        match self {
            Self::Op(_, inputs) => inputs,
            Self::Back(_, inputs, ..) => inputs,
            Self::Ago(input, _) => std::slice::from_ref(input),
            Self::Constant(_) | Self::Price(_) | Self::Clock(_) | Self::Frame(..) => &[],
        }
    }

    /// What the kernel of a call is started with.
    pub(super) fn settings(lengths: [Length; 3], factor: u64, timeframe: Timeframe) -> Settings {
        Settings { lengths, factor: f64::from_bits(factor), timeframe }
    }
}

struct Builder<'a> {
    lets: &'a Lets,
    timeframe: Timeframe,
    steps: Vec<Step>,
    known: BTreeMap<Step, Register>,
    /// Names that are in the program already.
    named: BTreeMap<&'a str, Register>,
    frames: Vec<(Builder<'a>, Vec<Register>)>,
}

impl<'a> Builder<'a> {
    fn new(lets: &'a Lets, timeframe: Timeframe) -> Self {
        Self {
            lets,
            timeframe,
            steps: Vec::new(),
            known: BTreeMap::new(),
            named: BTreeMap::new(),
            frames: Vec::new(),
        }
    }

    fn finish(self, outputs: Vec<Register>) -> Program {
        let frames = self.frames.into_iter();
        Program {
            timeframe: self.timeframe,
            silent: silent(&self.steps),
            steps: self.steps,
            outputs,
            frames: frames.map(|(builder, outputs)| builder.finish(outputs)).collect(),
        }
    }

    /// The column of a term, together with the names it reads.
    fn register(&mut self, term: &Term) -> Register {
        // Names in their order, so that a long chain of them is not followed by recursion.
        let needed = needed(term, self.lets);
        for name in &self.lets.order {
            if needed.contains(name.as_str()) && !self.named.contains_key(name.as_str()) {
                let register = self.step_of(&self.lets.terms[name]);
                self.named.insert(name, register);
            }
        }
        self.step_of(term)
    }

    fn add(&mut self, step: Step) -> Register {
        if let Some(register) = self.known.get(&step) {
            return *register;
        }
        let register = self.steps.len();
        self.steps.push(step);
        self.known.insert(step, register);
        register
    }

    fn step_of(&mut self, term: &Term) -> Register {
        if let Some(value) = term.constant {
            return self.add(Step::Constant(value.to_bits()));
        }
        let step = match &term.what {
            What::Constant => unreachable!("a constant has a value"),
            What::Price(price) => Step::Price(*price),
            What::Clock(clock) => Step::Clock(*clock),
            What::Let(name) => return self.named[name.as_str()],
            What::Slot(_) | What::Signal(_) => {
                unreachable!("what has no history is not read by what depends on bars alone")
            }
            What::Op(op, parts) => Step::Op(*op, self.inputs(parts)),
            What::Back(call) => {
                let inputs = self.inputs(&call.inputs);
                let Settings { lengths, factor, .. } = call.settings(self.timeframe);
                Step::Back(call.back, inputs, lengths, factor.to_bits())
            }
            What::Ago(inner, n) => Step::Ago(self.step_of(inner), *n),
            What::Tf(timeframe, inner) => {
                let (frame, output) = self.frame(*timeframe, inner);
                Step::Frame(frame, output)
            }
        };
        self.add(step)
    }

    /// The columns of the parts; behind the last, that of the first again.
    fn inputs<const N: usize>(&mut self, parts: &[Term]) -> [Register; N] {
        let registers: Vec<Register> = parts.iter().map(|part| self.step_of(part)).collect();
        let first = registers.first().copied().unwrap_or(0);
        std::array::from_fn(|i| registers.get(i).copied().unwrap_or(first))
    }

    fn frame(&mut self, timeframe: Timeframe, inner: &Term) -> (usize, usize) {
        let known = self.frames.iter().position(|(frame, _)| frame.timeframe == timeframe);
        let at = known.unwrap_or_else(|| {
            self.frames.push((Builder::new(self.lets, timeframe), Vec::new()));
            self.frames.len() - 1
        });
        let (frame, outputs) = &mut self.frames[at];
        let register = frame.register(inner);
        let output = outputs.iter().position(|known| *known == register).unwrap_or_else(|| {
            outputs.push(register);
            outputs.len() - 1
        });
        (at, output)
    }
}

/// A step is worked out wherever one that reads it is.
fn silent(steps: &[Step]) -> Vec<Silent> {
    let mut silent: Vec<Silent> = steps.iter().map(Step::silent).collect();
    for (register, step) in steps.iter().enumerate().rev() {
        for input in step.inputs() {
            silent[*input] = silent[*input].max(silent[register]);
        }
    }
    silent
}

/// The names that a term reads on bars of its own timeframe, directly or by others.
pub(super) fn needed<'a>(term: &'a Term, lets: &'a Lets) -> BTreeSet<&'a str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut waiting = vec![term];
    while let Some(term) = waiting.pop() {
        term.visit(&mut |part| {
            if let What::Let(name) = &part.what
                && names.insert(name)
            {
                waiting.push(&lets.terms[name]);
            }
            !matches!(part.what, What::Tf(..))
        });
    }
    names
}

/// Its [`Settings`] on bars of a timeframe come from the call itself.
impl Call {
    /// Bars before the first of its own that the function looks at.
    pub(super) fn lag(&self, timeframe: Timeframe) -> u64 {
        self.back.lag(self.settings(timeframe))
    }
}
