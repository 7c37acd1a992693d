//! A program at work, from one anchor on: columns of values, operation by operation over runs of bars.

use std::sync::Arc;

use super::{
    op::known,
    program::{Program, Register, Silent, Step},
    running::{Ago, Running},
};
use crate::domain::{
    bar::{Bar, TimedBar, VOLUME_MAX},
    time::{SlotTs, Timeframe},
};

/// Bars that are worked on at once: so many values of one column lie together.
const RUN_MAX: usize = 64;

/// One run of a program. What it gives depends on the bars since its start, and not on how they were handed in.
#[derive(Debug, Clone)]
pub struct Instance {
    program: Arc<Program>,
    machine: Machine,
}

impl Instance {
    pub(super) fn start(program: &Arc<Program>) -> Self {
        Self { machine: Machine::start(program), program: Arc::clone(program) }
    }

    /// Takes in the next bar and gives the values at its close: finite, or the one NaN. `row` has room for exactly these.
    pub fn update(&mut self, bar: &TimedBar, row: &mut [f64]) {
        assert_eq!(row.len(), self.program.outputs.len(), "a row has the values of the program");
        self.machine.run(&self.program, (0, std::slice::from_ref(bar)), Silent::Never);
        self.machine.row(&self.program, 0, row);
    }

    /// Takes in bars and appends the values at the close of each, row by row.
    pub fn run(&mut self, bars: &[TimedBar], rows: &mut Vec<f64>) {
        let width = self.program.outputs.len();
        for bars in bars.chunks(RUN_MAX) {
            self.machine.run(&self.program, (0, bars), Silent::Never);
            let begin = rows.len();
            rows.resize(begin + bars.len() * width, 0.0);
            let (outputs, rows) = (&self.program.outputs, &mut rows[begin..]);
            let (four, rest) = outputs.as_chunks::<4>();
            for (place, registers) in four.iter().enumerate() {
                self.machine.fill(registers, 4 * place, (rows, width));
            }
            for (place, register) in rest.iter().enumerate() {
                self.machine.fill(&[*register], 4 * four.len() + place, (rows, width));
            }
        }
    }

    /// Takes in bars and writes the values of every step at the close of each, column by column.
    pub fn run_columns(&mut self, bars: &[TimedBar], columns: &mut Vec<f64>) {
        // Every value is written below.
        columns.resize(bars.len() * self.program.steps.len(), 0.0);
        // It works where they are read: copying them would take a tenth of a sweep.
        std::mem::swap(&mut self.machine.columns, columns);
        let stride = std::mem::replace(&mut self.machine.stride, bars.len());
        for (n, run) in bars.chunks(RUN_MAX).enumerate() {
            self.machine.run(&self.program, (n * RUN_MAX, run), Silent::Never);
        }
        self.machine.stride = stride;
        std::mem::swap(&mut self.machine.columns, columns);
    }

    /// Takes in bars whose values nobody asks for.
    pub fn pass(&mut self, bars: &[TimedBar]) {
        let mut runs = bars.chunks(RUN_MAX).peekable();
        while let Some(bars) = runs.next() {
            let least = if runs.peek().is_none() { Silent::Last } else { Silent::Always };
            self.machine.run(&self.program, (0, bars), least);
        }
    }
}

/// What a step remembers from bar to bar.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a program has a handful of them, and a box would cost every bar a jump"
)]
enum Memory {
    Back(Running),
    Ago(Ago),
}

/// The state of a program.
#[derive(Debug, Clone)]
struct Machine {
    /// Column by column, each of `stride` values.
    columns: Vec<f64>,
    /// Room of a column: as many bars as were ever handed in at once.
    stride: usize,
    /// Of the steps that remember something, in their order.
    memories: Vec<Memory>,
    frames: Vec<Frame>,
}

impl Machine {
    fn start(program: &Program) -> Self {
        let memory = |step: &Step| match *step {
            Step::Back(back, _, lengths, factor) => {
                let settings = Step::settings(lengths, factor, program.timeframe);
                let running = back.start(settings).expect("the lengths were checked");
                Some(Memory::Back(running))
            }
            Step::Ago(_, n) => Some(Memory::Ago(Ago::new(n))),
            Step::Constant(_)
            | Step::Price(_)
            | Step::Clock(_)
            | Step::Op(..)
            | Step::Frame(..) => None,
        };
        Self {
            columns: Vec::new(),
            stride: 0,
            memories: program.steps.iter().filter_map(memory).collect(),
            frames: program.frames.iter().map(Frame::start).collect(),
        }
    }

    /// Writes some columns into rows that are so wide, from a place on. Several at once cost half of what they cost one by one.
    #[inline]
    fn fill<const N: usize>(
        &self,
        registers: &[Register; N],
        place: usize,
        (rows, width): (&mut [f64], usize),
    ) {
        let columns =
            registers.map(|register| &self.columns[register * self.stride..][..rows.len() / width]);
        for (at, row) in rows.chunks_exact_mut(width).enumerate() {
            for (value, column) in row[place..place + N].iter_mut().zip(columns) {
                *value = column[at];
            }
        }
    }

    /// The values of one of the bars handed in last.
    fn row(&self, program: &Program, at: usize, row: &mut [f64]) {
        for (value, register) in row.iter_mut().zip(&program.outputs) {
            *value = self.columns[register * self.stride + at];
        }
    }

    /// Takes in at most [`RUN_MAX`] bars, which are those from the place `begin` on in each column, and works out the steps that are wanted
    /// at least so much.
    fn run(&mut self, program: &Program, (begin, bars): (usize, &[TimedBar]), least: Silent) {
        if begin + bars.len() > self.stride {
            self.stride = begin + bars.len();
            self.columns = vec![0.0; program.steps.len() * self.stride];
        }
        for (frame, program) in self.frames.iter_mut().zip(&program.frames) {
            frame.run(program, bars);
        }
        let mut memories = self.memories.iter_mut();
        for (register, (step, silent)) in program.steps.iter().zip(&program.silent).enumerate() {
            let memory = if step.remembers() { memories.next() } else { None };
            if *silent < least {
                continue;
            }
            let (before, from) = self.columns.split_at_mut(register * self.stride);
            let out = &mut from[begin..][..bars.len()];
            let column = |register: usize| &before[register * self.stride + begin..][..bars.len()];
            match *step {
                Step::Constant(bits) => out.fill(f64::from_bits(bits)),
                Step::Price(price) => price.column(bars, out),
                Step::Clock(clock) => clock.column(bars, out),
                Step::Op(op, inputs) => op.columns(out, inputs.map(column)),
                Step::Back(_, inputs, ..) => {
                    // A function without inputs has the first column, whatever it is, which may be its own.
                    let column = |input: usize| if input < register { column(input) } else { &[] };
                    let Some(Memory::Back(running)) = memory else { unreachable!("as started") };
                    running.run(inputs.map(column), bars, out);
                }
                Step::Ago(input, _) => {
                    let Some(Memory::Ago(ago)) = memory else { unreachable!("as started") };
                    ago.run(column(input), out);
                }
                Step::Frame(frame, output) => {
                    out.copy_from_slice(self.frames[frame].column(output));
                }
            }
        }
    }
}

/// Bars of a longer timeframe, made from those of the series, and the program on them.
#[derive(Debug, Clone)]
struct Frame {
    timeframe: Timeframe,
    machine: Machine,
    /// The bar that is being made.
    forming: Option<TimedBar>,
    /// The values at the last closed bar; unknown before the first.
    held: Vec<f64>,
    /// What was held at each bar of the series handed in last, output by output.
    columns: Vec<f64>,
    /// How many those were.
    bars: usize,
}

impl Frame {
    fn start(program: &Program) -> Self {
        Self {
            timeframe: program.timeframe,
            machine: Machine::start(program),
            forming: None,
            held: vec![f64::NAN; program.outputs.len()],
            columns: Vec::new(),
            bars: 0,
        }
    }

    fn column(&self, output: usize) -> &[f64] {
        &self.columns[output * self.bars..][..self.bars]
    }

    fn run(&mut self, program: &Program, bars: &[TimedBar]) {
        self.bars = bars.len();
        self.columns.resize(self.held.len() * bars.len(), 0.0);
        for (at, bar) in bars.iter().enumerate() {
            self.take(program, bar);
            for (output, value) in self.held.iter().enumerate() {
                self.columns[output * bars.len() + at] = *value;
            }
        }
    }

    /// A bar of the series closes the longer bars that end at or before its own close.
    fn take(&mut self, program: &Program, bar: &TimedBar) {
        let Some(ts) = self.around(bar.ts) else { return };
        match &mut self.forming {
            Some(forming) if forming.ts == ts => forming.bar = joined(&forming.bar, &bar.bar),
            _ => {
                self.close(program);
                self.forming = Some(TimedBar { ts, bar: bar.bar });
            }
        }
        if ts.ts_ms() <= bar.ts.ts_ms() {
            self.close(program);
        }
    }

    fn close(&mut self, program: &Program) {
        if let Some(closed) = self.forming.take() {
            self.machine.run(program, (0, std::slice::from_ref(&closed)), Silent::Never);
            self.machine.row(program, 0, &mut self.held);
        }
    }

    /// The slot of the longer bar that a bar belongs to; `None` beyond the end of time.
    fn around(&self, ts: SlotTs) -> Option<SlotTs> {
        let length_ms = self.timeframe.ms();
        let open_ms = ts.open_ms().div_euclid(length_ms) * length_ms;
        self.timeframe.slot_of_open(open_ms).ok()
    }
}

/// Two bars as one.
fn joined(older: &Bar, newer: &Bar) -> Bar {
    let volume = (older.volume() + newer.volume()).min(VOLUME_MAX);
    let (high, low) = (older.high().max(newer.high()), older.low().min(newer.low()));
    let values = [older.open(), high, low, newer.close(), known(volume)];
    Bar::new(values).expect("two bars make one")
}
