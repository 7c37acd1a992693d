//! What a model is worth on rows and bars it has not seen: probabilities, ranks, and trades through the engine that LIVE runs.

use std::ops::Range;

use super::report::{Judged, TradingResult};
use crate::{
    domain::{
        bar::TimedBar,
        time::{Timeframe, Window},
    },
    engine::{
        learn::{
            label::Class,
            rows::{TrainRows, number},
            scores::{Area, Calibration, accuracy, log_loss, softmax},
        },
        metrics::{
            curve::{Point, Start},
            tearsheet::Tearsheet,
        },
        model::Model,
        step::Core,
    },
    exit::Exit,
    jobs::context::Failure,
    model::train::Fitted,
    session::replay::{AtEnd, Batch, ReplayRequest, replay},
};

/// Points kept of an equity curve.
const CURVE_POINTS: usize = 400;

/// The window of some slot numbers, which are not none.
pub(super) fn window_of(numbers: &Range<i64>, timeframe: Timeframe) -> Result<Window, Failure> {
    let slot = |number: i64| timeframe.slot(number * timeframe.ms());
    let window = slot(numbers.start)
        .and_then(|first| Ok((first, slot(numbers.end - 1)?)))
        .and_then(|(first, last)| Window::new(first, last));
    window.map_err(|error| Failure::new(Exit::Bug, format!("a window of a fold: {error}")))
}

/// Trades of a core on the bars of a window; what is open at its end is closed at the last price.
pub(super) fn trade(core: &Core, bars: &[TimedBar], window: Window) -> TradingResult {
    let anchor_ms = core.blocks(window.first().timeframe()).anchor_ms(window.first());
    let start = bars.partition_point(|bar| bar.ts.open_ms() < anchor_ms);
    let end = bars.partition_point(|bar| bar.ts <= window.last());
    let inputs = ReplayRequest {
        window,
        bars: bars[start..end].to_vec(),
        degraded: std::collections::BTreeMap::new(),
        commands: Vec::new(),
        signals: core.strategy.signals().clone(),
    };
    let (mut curve, mut events) = (Vec::new(), Vec::new());
    let played = replay(core, &inputs, AtEnd::Close, |batch: &Batch| {
        curve.extend(batch.decisions.iter().map(|decision| Point {
            ts_ms: decision.ts.ts_ms(),
            equity: decision.equity.float(),
            in_position: decision.position.is_some(),
        }));
        events.extend_from_slice(&batch.trades);
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(_) = played;
    let start = Start { ts_ms: window.first().open_ms(), equity: core.rules.cash.float() };
    let sheet = Tearsheet::of(start, curve.iter().copied(), &events, |_| None);
    TradingResult {
        net: sheet.curve.net,
        fees: sheet.trades.fees.float(),
        trades: sheet.trades.trades,
        win_rate: sheet.trades.win_rate,
        sharpe: sheet.curve.sharpe,
        drawdown: sheet.curve.max_drawdown.map_or(0.0, |fall| fall.depth),
        curve: thinned(&curve).map(|point| (point.ts_ms, point.equity)).collect(),
    }
}

/// A threshold, and what every threshold that was tried came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    /// The one whose trades earned most, of equals the highest.
    pub(super) threshold: i64,
    /// Each one from the lowest to the highest with its profit and loss.
    pub(super) tried: Vec<(i64, f64)>,
}

/// Chooses among some thresholds by the trades in a window.
pub(super) fn choose(
    thresholds: &[i64],
    core_of: impl Fn(i64) -> Result<Core, Failure>,
    bars: &[TimedBar],
    window: Window,
) -> Result<Chosen, Failure> {
    let mut sorted = thresholds.to_vec();
    sorted.sort_unstable();
    let net = |threshold| Ok((threshold, trade(&core_of(threshold)?, bars, window).net));
    let tried: Vec<(i64, f64)> = sorted.into_iter().map(net).collect::<Result<_, Failure>>()?;
    // Of equals the last one is taken.
    let best = tried.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let threshold = best.map_or(i64::MAX, |(threshold, _)| *threshold);
    Ok(Chosen { threshold, tried })
}

/// What a model says of some rows: the probabilities, and what happened.
pub(super) struct Predictions {
    probabilities: Vec<[f64; 3]>,
    scores: Vec<f64>,
    classes: Vec<Class>,
    /// The slots that each label looks at, by their numbers.
    windows: Vec<Range<i64>>,
}

impl Predictions {
    /// Asks the model about some rows, by the scorer that decides. Labels look `horizon` slots ahead.
    pub(super) fn of(model: &Model, rows: &TrainRows, of: &[usize], horizon: u32) -> Self {
        let window = |row: &usize| {
            let next = number(rows.slots()[*row]) + 1;
            next..next + i64::from(horizon)
        };
        let logits = of.iter().map(|row| model.logits(rows.inputs(*row)));
        Self {
            probabilities: logits.map(softmax).collect(),
            scores: of.iter().map(|row| model.score(rows.inputs(*row)) as f64).collect(),
            classes: of.iter().map(|row| rows.classes()[*row]).collect(),
            windows: of.iter().map(window).collect(),
        }
    }

    /// Mean loss, in nats.
    pub(super) fn log_loss(&self) -> f64 {
        log_loss(&self.probabilities, &self.classes).expect("a part has rows")
    }

    /// Everything about them.
    pub(super) fn judged(&self, fitted: &Fitted, chosen: Chosen, trading: TradingResult) -> Judged {
        let area = Area::of_windows(&self.scores, &self.classes, &self.windows);
        let calibration =
            Calibration::of(&self.probabilities, &self.classes).expect("a part has rows");
        Judged {
            log_loss: self.log_loss(),
            auc: area.map(|area| area.auc),
            auc_error: area.map(|area| area.error),
            auc_rows: area.map(|area| area.rows),
            accuracy: accuracy(&self.probabilities, &self.classes).expect("a part has rows"),
            calibration_error: calibration.error,
            calibration: calibration
                .bins
                .iter()
                .map(|bin| (bin.rows, bin.said, bin.happened))
                .collect(),
            threshold: chosen.threshold,
            tried: chosen.tried,
            trading,
            best_epoch: fitted.best_epoch,
            losses: losses(fitted),
        }
    }
}

/// Training and validation loss of each epoch.
pub(super) fn losses(fitted: &Fitted) -> Vec<(f64, f64)> {
    fitted.losses.iter().map(|losses| (losses.train, losses.validation)).collect()
}

/// Loss and accuracy on some rows of whoever always says the same.
pub(super) fn always(said: [f64; 3], rows: &TrainRows, of: &[usize]) -> (f64, f64) {
    let classes: Vec<Class> = of.iter().map(|row| rows.classes()[*row]).collect();
    let given = vec![said; classes.len()];
    let known = "a part has rows";
    (log_loss(&given, &classes).expect(known), accuracy(&given, &classes).expect(known))
}

/// Profit and loss of buying for `notional` at the first open of a window, as if sold at each of its closes, with a fee of `fee` of each
/// amount: milliseconds UTC and quote currency. Empty without bars.
pub(super) fn buy_and_hold(
    bars: &[TimedBar],
    window: Window,
    notional: f64,
    fee: f64,
) -> Vec<(i64, f64)> {
    let start = bars.partition_point(|bar| bar.ts < window.first());
    let end = bars.partition_point(|bar| bar.ts <= window.last());
    let Some(bought) = bars[start..end].first().map(|bar| bar.bar.open()) else {
        return Vec::new();
    };
    let net = |TimedBar { ts, bar }: &TimedBar| {
        let sold = notional * bar.close() / bought;
        (ts.ts_ms(), sold - notional - fee * (notional + sold))
    };
    thinned(&bars[start..end]).map(net).collect()
}

/// Some of many, evenly spread, with the last one.
fn thinned<T>(many: &[T]) -> impl Iterator<Item = &T> {
    let every = many.len().div_ceil(CURVE_POINTS).max(1);
    let rest = many.len() % every;
    many.iter().skip(if rest == 0 { every } else { rest } - 1).step_by(every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::bar::Bar,
        engine::{
            anchor::FeatureRows,
            learn::label::Label,
            model::{Activation, Dense, Network, Normaliser},
        },
        model::train::Losses,
    };

    /// One input `x` of each row, the scores of down, flat and up, which are `-x`, 0 and `x`, and what happened.
    const ROWS: [(f64, Class); 5] = [
        (-2.0, Class::Down),
        (-0.5, Class::Up),
        (0.25, Class::Flat),
        (1.0, Class::Up),
        (3.0, Class::Up),
    ];

    fn rows() -> TrainRows {
        let bar = Bar::new([1.0; 5]).unwrap();
        let slot = |n: i64| Timeframe::M5.slot(300_000 * (1 + n)).unwrap();
        let bars: Vec<TimedBar> = (0..5).map(|n| TimedBar { ts: slot(n), bar }).collect();
        let features = FeatureRows::ready(1, ROWS.iter().map(|(x, _)| *x).collect());
        TrainRows::collect(&bars, &features, 1, |at, _| {
            Some(Label { class: ROWS[at].1, end: slot(at as i64 + 1) })
        })
    }

    fn model() -> Model {
        let layer =
            Dense { inputs: 1, outputs: 3, weights: vec![-1.0, 0.0, 1.0], bias: vec![0.0; 3] };
        let network = Network::new(&[layer], Activation::Relu).unwrap();
        let scale = Normaliser::new(vec![0.0], vec![1.0], 10.0).unwrap();
        Model::new(vec!["rsi(close, 14)".parse().unwrap()], scale, network).unwrap()
    }

    #[test]
    fn every_number_about_a_model_is_what_its_name_says() {
        let fitted = Fitted {
            layers: Vec::new(),
            best_epoch: 2,
            losses: vec![
                Losses { train: 0.5, validation: 0.75 },
                Losses { train: 0.25, validation: 0.625 },
            ],
        };
        let chosen = Chosen { threshold: 7, tried: vec![(7, 1.5), (9, 0.5)] };
        let trading = TradingResult {
            net: 1.0,
            fees: 2.0,
            trades: 3,
            win_rate: Some(0.5),
            sharpe: None,
            drawdown: 0.25,
            curve: vec![(300_000, 4.0)],
        };
        let judged = Predictions::of(&model(), &rows(), &[0, 1, 2, 3, 4], 1).judged(
            &fitted,
            chosen.clone(),
            trading.clone(),
        );
        let up = |x: f64| x.exp() / (x.exp() + 1.0 + (-x).exp());
        let loss = |(x, class): &(f64, Class)| match class {
            Class::Down => -up(-x).ln(),
            Class::Flat => -(1.0 - up(*x) - up(-x)).ln(),
            Class::Up => -up(*x).ln(),
        };
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
        assert!(near(judged.log_loss, ROWS.iter().map(loss).sum::<f64>() / 5.0), "{judged:?}");
        // Of three ups and one down every up has the higher score; the second and the third row are foreseen wrongly.
        assert_eq!((judged.auc, judged.accuracy), (Some(1.0), 0.6));
        assert!(near(judged.auc_error.unwrap(), (5.0_f64 / 36.0).sqrt()));
        // Each row lies in a bin of its own: the first, the second, the fifth, the seventh, the tenth.
        let off = |(x, class): &(f64, Class)| {
            (up(*x) - if *class == Class::Up { 1.0 } else { 0.0 }).abs()
        };
        assert!(near(judged.calibration_error, ROWS.iter().map(off).sum::<f64>() / 5.0));
        let filled: Vec<usize> = (0..10).filter(|bin| judged.calibration[*bin].0 == 1).collect();
        let bin = |(x, _): &(f64, Class)| (up(*x) * 10.0) as usize;
        assert_eq!(filled, ROWS.iter().map(bin).collect::<Vec<_>>());
        let (_, said, happened) = judged.calibration[filled[1]];
        assert!(near(said, up(-0.5)) && happened == 1.0);
        assert_eq!((judged.threshold, judged.tried), (chosen.threshold, chosen.tried));
        assert_eq!((judged.trading, judged.best_epoch), (trading, 2));
        assert_eq!(judged.losses, [(0.5, 0.75), (0.25, 0.625)], "training, validation");
        let same = always([0.5, 0.2, 0.3], &rows(), &[0, 1, 2, 3, 4]);
        assert!(near(same.0, -(0.5_f64.ln() + 0.2_f64.ln() + 3.0 * 0.3_f64.ln()) / 5.0));
        assert_eq!(same.1, 0.2, "only the first row went down");
    }

    #[test]
    fn what_is_thinned_out_keeps_its_last_point() {
        for many in [1, 399, 400, 401, 799, 800, 12_345] {
            let all: Vec<usize> = (0..many).collect();
            let kept: Vec<usize> = thinned(&all).copied().collect();
            assert_eq!(kept.last(), all.last(), "{many}");
            assert!(kept.len() <= CURVE_POINTS && kept.len() * 2 >= many.min(CURVE_POINTS));
        }
        assert_eq!(thinned::<u8>(&[]).count(), 0);
    }
}
