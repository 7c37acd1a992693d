//! Random programs against the naive meaning, bit for bit: features of whole series, in runs and bar by bar, and rules that read the
//! ledger.

use super::{
    super::{
        CheckedStrategy, Held, LedgerState, RawStrategy, Values, bounds::Bounds, functions::Back,
    },
    fixtures::{Dice, walk},
    inputs,
    naive::{Cond, Num, World},
    raw, rule,
};
use crate::domain::{
    bar::TimedBar,
    decimal::decimal,
    decision::Side,
    money::{Money, Price},
    time::Timeframe,
};

const VALUES: [&str; 11] =
    ["open", "high", "low", "close", "volume", "hl2", "hlc3", "ohlc4", "hour", "minute", "weekday"];
const LEDGER: [&str; 10] = [
    "held",
    "entry_px",
    "best_px",
    "bars_held",
    "profit",
    "profit_pct",
    "profit_r",
    "bars_since_exit",
    "stops_in_a_row",
    "equity",
];
const OF_NUMBERS: [(Back, usize); 21] = [
    (Back::Sma, 1),
    (Back::Ema, 1),
    (Back::Wma, 1),
    (Back::Rma, 1),
    (Back::Hma, 1),
    (Back::Vwma, 1),
    (Back::Rsi, 1),
    (Back::Roc, 1),
    (Back::Mom, 1),
    (Back::LogReturn, 1),
    (Back::Stdev, 1),
    (Back::BbUpper, 1),
    (Back::BbLower, 1),
    (Back::Highest, 1),
    (Back::Lowest, 1),
    (Back::Zscore, 1),
    (Back::Rank, 1),
    (Back::Corr, 2),
    (Back::Macd, 1),
    (Back::MacdSignal, 1),
    (Back::MacdHist, 1),
];
const OF_BARS: [Back; 17] = [
    Back::StochK,
    Back::StochD,
    Back::Cci,
    Back::Mfi,
    Back::Willr,
    Back::Adx,
    Back::PlusDi,
    Back::MinusDi,
    Back::Tr,
    Back::Atr,
    Back::Natr,
    Back::KcUpper,
    Back::KcMid,
    Back::Supertrend,
    Back::Volatility,
    Back::VolumeZ,
    Back::DayVwap,
];

/// Makes trees. What is inside something that looks back has no value of the ledger, and there is one `tf` at most.
struct Maker {
    dice: Dice,
    lets: usize,
    ledger: bool,
    tf: bool,
}

impl Maker {
    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.dice.below(list.len() as u64) as usize]
    }

    fn n(&mut self) -> u32 {
        1 + self.dice.below(9) as u32
    }

    /// Makes something that looks back.
    fn past<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.ledger, false);
        let made = make(self);
        self.ledger = outer;
        made
    }

    fn longer<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> (Timeframe, T) {
        let timeframe = self.one_of(&[Timeframe::M15, Timeframe::M5, Timeframe::H1, Timeframe::D1]);
        let lets = std::mem::replace(&mut self.lets, 0);
        let tf = std::mem::replace(&mut self.tf, false);
        let made = self.past(make);
        (self.lets, self.tf) = (lets, tf);
        (timeframe, made)
    }

    fn leaf(&mut self) -> Num {
        match self.dice.below(6) {
            0 => Num::Constant(self.one_of(&[0.5, 2.0, 3.0, 70.0, 1e-3])),
            1 if self.lets > 0 => Num::Let(self.dice.below(self.lets as u64) as usize),
            2 if self.ledger => Num::Ledger(self.one_of(&LEDGER)),
            _ => Num::Value(self.one_of(&VALUES)),
        }
    }

    fn num(&mut self, depth: u32) -> Num {
        if depth == 0 {
            return self.leaf();
        }
        let depth = depth - 1;
        match self.dice.below(12) {
            0..=2 => {
                let op = self.one_of(&["+", "-", "*", "/", "min", "max"]);
                Num::Pair(op, Box::new([self.num(depth), self.num(depth)]))
            }
            3 => {
                let op = self.one_of(&["-", "abs", "sqrt", "log", "exp", "floor"]);
                Num::One(op, Box::new(self.num(depth)))
            }
            4 => Num::SafeDiv(Box::new([self.num(depth), self.num(depth), self.num(depth)])),
            5 => Num::If(Box::new(self.cond(depth)), Box::new([self.num(depth), self.num(depth)])),
            6 | 7 => {
                let (back, many) = self.one_of(&OF_NUMBERS);
                let inputs = self.past(|maker| (0..many).map(|_| maker.num(depth)).collect());
                let (n, m) = (self.n(), self.n());
                let lengths = match back {
                    Back::Macd => vec![n, n + m],
                    Back::MacdSignal | Back::MacdHist => vec![n, n + m, m],
                    _ => vec![n],
                };
                Num::Call(back, inputs, lengths)
            }
            8 => {
                let back = self.one_of(&OF_BARS);
                let lengths = match back {
                    Back::Tr | Back::DayVwap => Vec::new(),
                    Back::StochK => vec![self.n(), self.n()],
                    Back::StochD => vec![self.n(), self.n(), self.n()],
                    _ => vec![self.n() + 1],
                };
                Num::Call(back, Vec::new(), lengths)
            }
            9 => {
                let (back, n) = (self.one_of(&[Back::CountOf, Back::BarsSince]), self.n());
                Num::Counted(back, Box::new(self.past(|maker| maker.cond(depth))), n)
            }
            10 => {
                let (c, x) = self.past(|maker| (maker.cond(depth), maker.num(depth)));
                Num::When(Box::new(c), Box::new(x), self.n())
            }
            _ if self.tf && self.dice.below(2) == 0 => {
                let (timeframe, x) = self.longer(|maker| maker.num(depth));
                Num::Tf(timeframe, Box::new(x))
            }
            _ => Num::Ago(Box::new(self.past(|maker| maker.num(depth))), self.n()),
        }
    }

    fn cond(&mut self, depth: u32) -> Cond {
        let op = self.one_of(&["<", "<=", ">", ">=", "==", "!="]);
        if depth == 0 {
            return Cond::Compare(op, self.leaf(), self.leaf());
        }
        let depth = depth - 1;
        match self.dice.below(11) {
            0..=2 => Cond::Compare(op, self.num(depth), self.num(depth)),
            3 => Cond::And(Box::new([self.cond(depth), self.cond(depth)])),
            4 => Cond::Or(Box::new([self.cond(depth), self.cond(depth)])),
            5 => Cond::Not(Box::new(self.cond(depth))),
            6 => Cond::If(Box::new([self.cond(depth), self.cond(depth), self.cond(depth)])),
            7 => {
                let above = self.dice.below(2) == 0;
                let (a, b) = self.past(|maker| (maker.num(depth), maker.num(depth)));
                Cond::Cross(above, a, b)
            }
            8 => {
                let (back, n) = (self.one_of(&[Back::Rising, Back::Falling]), self.n());
                Cond::Moves(back, self.past(|maker| maker.num(depth)), n)
            }
            9 if self.tf => {
                let (timeframe, c) = self.longer(|maker| maker.cond(depth));
                Cond::Tf(timeframe, Box::new(c))
            }
            _ => Cond::Ago(Box::new(self.past(|maker| maker.cond(depth))), self.n()),
        }
    }
}

/// A random strategy with its trees: names, entries, exits.
fn made(seed: u64) -> (Option<CheckedStrategy>, Vec<Num>, Vec<Cond>) {
    let mut maker = Maker { dice: Dice::new(seed), lets: 0, ledger: false, tf: true };
    let mut lets = Vec::new();
    for n in 0..3 {
        lets.push(maker.num(2));
        maker.lets = n + 1;
    }
    let mut rules = vec![maker.cond(3), maker.cond(3)];
    maker.ledger = true;
    rules.extend([maker.cond(3), maker.cond(4)]);
    let mut raw: RawStrategy = raw("true");
    raw.lets = lets.iter().enumerate().map(|(n, num)| (format!("n{n}"), num.text())).collect();
    raw.enter =
        vec![rule("a", Some("long"), &rules[0].text()), rule("b", Some("short"), &rules[1].text())];
    raw.exit = vec![rule("c", None, &rules[2].text()), rule("d", None, &rules[3].text())];
    raw.protect.both.stop = Some("2 * atr(3)".to_owned());
    match CheckedStrategy::new(&raw, &Values::new(), Timeframe::M5, &[]) {
        Ok(strategy) => (Some(strategy), lets, rules),
        Err(problems) => {
            // Constants alone may be no number.
            let words = ["not a finite number", "divides by 0"];
            for problem in problems {
                let fine = problem.severity != super::Severity::Error
                    || words.iter().any(|words| problem.message.contains(words));
                assert!(fine, "{seed}: {problem:?}");
            }
            (None, lets, rules)
        }
    }
}

/// What the ledger says at each bar, by chance.
fn ledgers(dice: &mut Dice, bars: &[TimedBar]) -> Vec<LedgerState> {
    let each = |bar: &TimedBar| {
        let near = |dice: &mut Dice| bar.bar.close() * (1.0 + 0.02 * dice.unit());
        let side = [None, Some(Side::Long), Some(Side::Short)][dice.below(3) as usize];
        let held = side.map(|side| Held {
            side,
            entry_px: Price::from_float(near(dice)).expect("near a price"),
            best_px: near(dice),
            bars: dice.below(300) as u32,
            first_stop: (dice.below(4) > 0).then(|| 0.5 + dice.unit().abs()),
        });
        LedgerState {
            held,
            bars_since_exit: dice.below(20_000) as u32,
            stops_in_a_row: dice.below(4) as u32,
            equity: Money::new(decimal(10_000.0 * (1.0 + dice.unit())).expect("a number")),
        }
    };
    bars.iter().map(each).collect()
}

/// What a name of the ledger means.
fn of_ledger(ledger: &LedgerState, close: f64, name: &str) -> Option<f64> {
    let long = |held: Held| if held.side == Side::Long { 1.0 } else { -1.0 };
    let profit = |held: Held| long(held) * (close - held.entry_px.float());
    match name {
        "held" => Some(ledger.held.map_or(0.0, long)),
        "bars_since_exit" => Some(f64::from(ledger.bars_since_exit.min(10_000))),
        "stops_in_a_row" => Some(f64::from(ledger.stops_in_a_row)),
        "equity" => Some(ledger.equity.float()),
        "entry_px" => ledger.held.map(|held| held.entry_px.float()),
        "best_px" => ledger.held.map(|held| held.best_px),
        "bars_held" => ledger.held.map(|held| f64::from(held.bars)),
        "profit" => ledger.held.map(profit),
        "profit_pct" => ledger.held.map(|held| 100.0 * profit(held) / held.entry_px.float()),
        "profit_r" => ledger.held.and_then(|held| Some(profit(held) / held.first_stop?)),
        other => panic!("{other}"),
    }
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn random_programs_mean_what_the_naive_evaluator_says() {
    let (mut made_all, mut known, mut tried, mut bounded) = (0, 0_usize, 0_usize, 0_usize);
    for seed in 1..=400 {
        let (Some(strategy), lets, rules) = made(seed) else { continue };
        made_all += 1;
        let mut dice = Dice::new(seed + 10_000);
        let bars = walk(seed, 400, Timeframe::M5);
        let ledgers = ledgers(&mut dice, &bars);
        let ledger = |name: &str, at: usize| of_ledger(&ledgers[at], bars[at].bar.close(), name);
        let world = World { timeframe: Timeframe::M5, bars: &bars, lets: &lets, ledger: &ledger };
        let expected: Vec<Vec<Option<bool>>> = rules.iter().map(|c| world.truth(c)).collect();

        let width = strategy.features().width();
        let mut rows = Vec::new();
        strategy.features().start().run(&bars, &mut rows);
        for (at, bar) in bars.iter().enumerate() {
            let values = &rows[at * width..][..width];
            let ledger = ledgers[at];
            let now = inputs(bar.ts, &bar.bar, values, ledger);
            let got = strategy.truths(&now);
            for (n, got) in got.iter().enumerate() {
                let want = expected[n][at].map_or(f64::NAN, |truth| f64::from(u8::from(truth)));
                assert_eq!(
                    got.to_bits(),
                    want.to_bits(),
                    "seed {seed}, bar {at}: {}",
                    rules[n].text()
                );
                tried += 1;
                known += usize::from(!got.is_nan());
            }
        }
        let exports = strategy.exports();
        let mut all = Vec::new();
        exports.start().run(&bars, &mut all);
        for (n, num) in lets.iter().enumerate() {
            let got: Vec<f64> = all.iter().skip(n).step_by(lets.len()).copied().collect();
            let want: Vec<f64> =
                world.number(num).into_iter().map(|x| x.unwrap_or(f64::NAN)).collect();
            assert_eq!(bits(&got), bits(&want), "seed {seed}: {}", num.text());
            let Bounds { least, most, .. } = strategy.0.lets.terms[&format!("n{n}")].bounds;
            for x in got.into_iter().filter(|x| !x.is_nan()) {
                let room = 1e-9 * x.abs().max(1.0);
                let is_within = least - room <= x && x <= most + room;
                assert!(
                    is_within,
                    "seed {seed}: {x} of {} is not in {least} to {most}",
                    num.text()
                );
                bounded += usize::from(least.is_finite() || most.is_finite());
            }
        }
    }
    assert!(bounded > 10_000, "{bounded} values with a bound");
    assert!(made_all > 300 && known * 2 > tried, "{made_all} programs, {known} of {tried} known");
}

#[test]
fn c5_values_do_not_depend_on_how_the_bars_are_handed_in() {
    let mut ago = 0;
    for seed in 1..=60 {
        let (Some(strategy), ..) = made(seed) else { continue };
        let mut dice = Dice::new(seed);
        let bars = walk(seed + 7, 500, Timeframe::M5);
        let width = strategy.features().width();
        let mut whole = Vec::new();
        strategy.features().start().run(&bars, &mut whole);
        let mut one = strategy.features().start();
        let mut row = vec![0.0; width];
        let mut singly = Vec::new();
        for bar in &bars {
            one.update(bar, &mut row);
            singly.extend_from_slice(&row);
        }
        assert_eq!(bits(&whole), bits(&singly), "seed {seed}");
        // What is shown of a slot comes from a run of its own over the same bars.
        let (now, before) =
            (strategy.values_at(&bars), strategy.values_at(&bars[..bars.len() - 1]));
        for (name, value) in strategy.features().names().iter().zip(&row) {
            assert_eq!(now[name].to_bits(), value.to_bits(), "seed {seed}: {name}");
        }
        for (text, value) in &now {
            let Some(value_before) = text.strip_suffix("[1]").and_then(|text| before.get(text))
            else {
                continue;
            };
            assert_eq!(value.to_bits(), value_before.to_bits(), "seed {seed}: {text}");
            ago += 1;
        }
        let (mut pieces, mut instance, mut at) = (Vec::new(), strategy.features().start(), 0);
        while at < bars.len() {
            let end = (at + 1 + dice.below(150) as usize).min(bars.len());
            if dice.below(3) == 0 {
                instance = instance.clone();
            }
            instance.run(&bars[at..end], &mut pieces);
            at = end;
        }
        assert_eq!(bits(&whole), bits(&pieces), "seed {seed}");
        let mut behind = strategy.features().start();
        behind.pass(&bars[..300]);
        let mut rest = Vec::new();
        behind.run(&bars[300..], &mut rest);
        assert_eq!(bits(&whole[300 * width..]), bits(&rest), "seed {seed}");
    }
    assert!(ago > 20, "{ago} values one bar ago");
}

#[test]
fn canonical_texts_mean_the_same_and_are_stable() {
    for seed in 1..=200 {
        let (Some(strategy), lets, _) = made(seed) else { continue };
        let lines = strategy.identity();
        let line = |key: &str| {
            lines.iter().find(|(known, _)| known.ends_with(key)).map(|(_, text)| text.clone())
        };
        let mut again: RawStrategy = raw("true");
        again.protect.both.stop = Some("2 * atr(3)".to_owned());
        let text = |n: usize| line(&format!("strategy.let.n{n}")).unwrap_or_else(|| lets[n].text());
        again.lets = (0..lets.len()).map(|n| (format!("n{n}"), text(n))).collect();
        again.enter = vec![
            rule("a", Some("long"), &line("1.a.when").unwrap()),
            rule("b", Some("short"), &line("2.b.when").unwrap()),
        ];
        again.exit = vec![
            rule("c", None, &line("1.c.when").unwrap()),
            rule("d", None, &line("2.d.when").unwrap()),
        ];
        let again = CheckedStrategy::new(&again, &Values::new(), Timeframe::M5, &[]).unwrap();
        assert_eq!(again.identity(), lines, "seed {seed}");
        assert_eq!(again.features().names(), strategy.features().names(), "seed {seed}");
        let bars = walk(seed, 200, Timeframe::M5);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        strategy.features().start().run(&bars, &mut one);
        again.features().start().run(&bars, &mut other);
        assert_eq!(bits(&one), bits(&other), "seed {seed}");
    }
}
