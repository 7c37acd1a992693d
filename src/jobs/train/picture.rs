//! The report as a picture: losses, calibration, every fold against its baselines, and the money on bars no model had seen.

use std::{error::Error, ops::Range};

use plotters::{
    chart::{ChartBuilder, ChartContext, SeriesLabelPosition},
    coord::{Shift, types::RangedCoordf64},
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement},
    prelude::{Cartesian2d, RGBColor, SVGBackend},
    series::LineSeries,
    style::{Color, IntoFont, WHITE},
};

use super::report::{FoldReport, Judged, TrainReport};
use crate::domain::time::UtcMs;

const SIZE: (u32, u32) = (1200, 1320);
const MODEL: RGBColor = RGBColor(31, 95, 180);
const LOGISTIC: RGBColor = RGBColor(224, 123, 20);
const NEUTRAL: RGBColor = RGBColor(130, 130, 130);
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(228, 228, 228);
const FONT: &str = "sans-serif";
/// Rows of a bin from which on it says something.
const BIN_ROWS_MIN: f64 = 50.0;
/// Air between a curve and its frame, as a part of the range.
const AIR: f64 = 0.06;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Points with a name and a colour.
struct Line {
    name: String,
    color: RGBColor,
    points: Vec<(f64, f64)>,
    style: Style,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Faint,
    Dotted,
}

/// What stands around a chart.
struct Frame {
    title: String,
    x: &'static str,
    y: &'static str,
    x_label: fn(&f64) -> String,
    x_labels: usize,
    legend: SeriesLabelPosition,
    /// Room above the curves for the legend, as a part of their range.
    headroom: f64,
}

/// The text of `report.svg`.
pub(super) fn picture(report: &TrainReport) -> Result<String, String> {
    let mut text = String::new();
    drawn(report, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn drawn(report: &TrainReport, text: &mut String) -> Drawn {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{}  ·  {} {}  ·  out of sample", report.series, report.name, report.model);
    let root = root.titled(&title, (FONT, 24).into_font().color(&INK))?;
    let (upper, lower) = root.split_vertically(840);
    let areas = upper.split_evenly((2, 2));
    losses(&areas[0], report)?;
    calibration(&areas[1], report)?;
    gains(&areas[2], report)?;
    areas_under_curve(&areas[3], report)?;
    money(&lower, report)?;
    root.present()?;
    Ok(())
}

fn losses(area: &Area<'_>, report: &TrainReport) -> Drawn {
    let best = |of: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
        of.iter().map(pick).fold(f64::INFINITY, f64::min)
    };
    let mut lines = Vec::new();
    for fold in &report.folds {
        // Some windows are harder than others: what the fold's own logistic regression reaches is its zero.
        let logistic = &fold.logistic.losses;
        let mut line = |of: &[(f64, f64)], pick, (name, color, style): (&str, RGBColor, Style)| {
            let zero = best(logistic, pick);
            let points = (1..).map(f64::from).zip(of.iter().map(|l| 1_000.0 * (pick(l) - zero)));
            lines.push(Line { name: name.to_owned(), color, points: points.collect(), style });
        };
        let (training, validation) = (|l: &(f64, f64)| l.0, |l: &(f64, f64)| l.1);
        line(logistic, validation, ("logistic, validation", LOGISTIC, Style::Plain));
        line(&fold.network.losses, training, ("model, training", MODEL, Style::Faint));
        line(&fold.network.losses, validation, ("model, validation", MODEL, Style::Plain));
    }
    let frame = Frame {
        title: "Loss by epoch, every fold, against its best logistic regression".to_owned(),
        x: "epoch",
        y: "thousandths of a nat",
        x_label: |x| format!("{x:.0}"),
        x_labels: 8,
        legend: SeriesLabelPosition::UpperRight,
        headroom: AIR,
    };
    chart(area, &frame, &lines, None)
}

fn calibration(area: &Area<'_>, report: &TrainReport) -> Drawn {
    let pooled = |of: fn(&FoldReport) -> &Judged| -> Vec<(f64, f64)> {
        let bins = report.folds.first().map_or(0, |fold| of(fold).calibration.len());
        let bin = |place: usize| {
            let (mut rows, mut said, mut happened) = (0.0, 0.0, 0.0);
            for (n, s, h) in report.folds.iter().map(|fold| of(fold).calibration[place]) {
                rows += n as f64;
                said += s * n as f64;
                happened += h * n as f64;
            }
            (rows >= BIN_ROWS_MIN).then(|| (said / rows, happened / rows))
        };
        (0..bins).filter_map(bin).collect()
    };
    let (model, logistic) = (pooled(|fold| &fold.network), pooled(|fold| &fold.logistic));
    let both = model.iter().chain(&logistic);
    let most = both.fold(0.1, |most: f64, (said, happened)| most.max(*said).max(*happened));
    let line = |name: &str, color, points| Line {
        name: name.to_owned(),
        color,
        points,
        style: Style::Dotted,
    };
    let lines = [
        Line {
            name: "as said".to_owned(),
            color: NEUTRAL,
            points: vec![(0.0, 0.0), (most, most)],
            style: Style::Plain,
        },
        line("logistic", LOGISTIC, logistic),
        line("model", MODEL, model),
    ];
    let frame = Frame {
        title: "Calibration: how often it went up when a probability was given".to_owned(),
        x: "probability of an up, as said",
        y: "part that went up",
        x_label: |x| format!("{x:.2}"),
        x_labels: 6,
        legend: SeriesLabelPosition::UpperLeft,
        headroom: AIR,
    };
    chart(area, &frame, &lines, None)
}

fn by_fold(
    report: &TrainReport,
    name: &str,
    color: RGBColor,
    of: impl Fn(&FoldReport) -> Option<f64>,
) -> Line {
    let points =
        report.folds.iter().filter_map(|fold| Some((fold.fold as f64, of(fold)?))).collect();
    Line { name: name.to_owned(), color, points, style: Style::Dotted }
}

/// A chart with one place per fold.
fn chart_by_fold(
    area: &Area<'_>,
    report: &TrainReport,
    (title, y): (&str, &'static str),
    lines: &[Line],
) -> Drawn {
    let frame = Frame {
        title: title.to_owned(),
        x: "fold",
        y,
        x_label: |x| format!("{x:.0}"),
        x_labels: report.folds.len().min(12),
        legend: SeriesLabelPosition::UpperRight,
        headroom: 0.4,
    };
    chart(area, &frame, lines, Some(0.5..report.folds.len() as f64 + 0.5))
}

fn gains(area: &Area<'_>, report: &TrainReport) -> Drawn {
    let gain = |of: fn(&FoldReport) -> &Judged| {
        move |fold: &FoldReport| Some(1_000.0 * (fold.prior_log_loss - of(fold).log_loss))
    };
    let lines = [
        by_fold(report, "class frequencies", NEUTRAL, |_| Some(0.0)),
        by_fold(report, "logistic", LOGISTIC, gain(|fold| &fold.logistic)),
        by_fold(report, "model", MODEL, gain(|fold| &fold.network)),
    ];
    chart_by_fold(
        area,
        report,
        ("Loss on the test rows, better than class frequencies by", "thousandths of a nat"),
        &lines,
    )
}

fn areas_under_curve(area: &Area<'_>, report: &TrainReport) -> Drawn {
    let chance = |errors: f64| {
        let name = "chance, two standard errors either way";
        let of = move |fold: &FoldReport| Some(0.5 + errors * fold.network.auc_error?);
        Line { style: Style::Faint, ..by_fold(report, name, NEUTRAL, of) }
    };
    let lines = [
        chance(2.0),
        chance(-2.0),
        by_fold(report, "chance", NEUTRAL, |_| Some(0.5)),
        by_fold(report, "logistic", LOGISTIC, |fold| fold.logistic.auc),
        by_fold(report, "model", MODEL, |fold| fold.network.auc),
    ];
    chart_by_fold(
        area,
        report,
        ("AUC of ups against downs on the test rows", "area under the curve"),
        &lines,
    )
}

fn money(area: &Area<'_>, report: &TrainReport) -> Drawn {
    // The equity of each fold begins at the cash of the manifest; here it goes on where the one before ended.
    let joined = |of: fn(&FoldReport) -> &Judged| -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut before = 0.0;
        for fold in &report.folds {
            let trading = &of(fold).trading;
            let end = trading.curve.last().map_or(0.0, |point| point.1);
            let cash = end - trading.net;
            points.push((fold.test.window[0] as f64, before));
            points.extend(
                trading.curve.iter().map(|(ts_ms, equity)| (*ts_ms as f64, before + equity - cash)),
            );
            before += trading.net;
        }
        points
    };
    let mut held = Vec::new();
    let mut sum = 0.0;
    for fold in &report.folds {
        held.push((fold.test.window[0] as f64, sum));
        held.extend(fold.hold_curve.iter().map(|(ts_ms, net)| (*ts_ms as f64, sum + net)));
        sum += fold.buy_and_hold;
    }
    let ends = [held.first(), held.last()].into_iter().flatten();
    let flat = ends.map(|(ts_ms, _)| (*ts_ms, 0.0)).collect();
    let line = |name: String, color, points| Line { name, color, points, style: Style::Plain };
    let traded = |who: &str, trades: u64| match trades {
        0 => format!("{who}, no trades"),
        1 => format!("{who}, one trade"),
        many => format!("{who}, {many} trades"),
    };
    let (model, logistic) = (&report.overall.network, &report.overall.logistic);
    let lines = [
        line("no trades".to_owned(), NEUTRAL, flat),
        Line { style: Style::Faint, ..line("buy and hold".to_owned(), INK, held) },
        line(traded("logistic", logistic.trades), LOGISTIC, joined(|fold| &fold.logistic)),
        line(traded("model", model.trades), MODEL, joined(|fold| &fold.network)),
    ];
    let frame = Frame {
        title: "Profit and loss on the test bars after fees, fold after fold".to_owned(),
        x: "",
        y: "quote currency",
        x_label: |x| {
            UtcMs::new(*x as i64).map_or_else(|_| String::new(), |at| at.format("%Y-%m-%d"))
        },
        x_labels: 8,
        legend: SeriesLabelPosition::UpperLeft,
        headroom: 0.4,
    };
    chart(area, &frame, &lines, None)
}

fn chart(area: &Area<'_>, frame: &Frame, lines: &[Line], x: Option<Range<f64>>) -> Drawn {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = x.unwrap_or_else(|| spanned(points().map(|point| point.0), 0.0));
    let y = spanned(points().map(|point| point.1), AIR);
    let y = y.start..y.end + (y.end - y.start) * frame.headroom;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(&frame.title, (FONT, 17, &INK))
        .x_label_area_size(42)
        .y_label_area_size(66)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(FAINT)
        .axis_style(NEUTRAL)
        .label_style((FONT, 13, &INK))
        .axis_desc_style((FONT, 14, &INK))
        .x_desc(frame.x)
        .y_desc(frame.y)
        .x_labels(frame.x_labels.max(2))
        .y_labels(7)
        .x_label_formatter(&frame.x_label)
        .y_label_formatter(&|y| ((y * 1e6).round() / 1e6).to_string())
        .draw()?;
    let mut named = Vec::new();
    for line in lines {
        // Lines of one name are drawn alike; the legend has it once.
        let is_new = !named.contains(&&line.name);
        named.push(&line.name);
        draw(&mut chart, line, is_new)?;
    }
    chart
        .configure_series_labels()
        .position(frame.legend.clone())
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .label_font((FONT, 13, &INK))
        .draw()?;
    Ok(())
}

fn draw(chart: &mut Chart<'_, '_>, line: &Line, is_new: bool) -> Drawn {
    let (color, style) = match line.style {
        Style::Plain | Style::Dotted => (line.color.to_rgba(), line.color.stroke_width(2)),
        Style::Faint => (line.color.mix(0.45), line.color.mix(0.45).stroke_width(1)),
    };
    let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
    if is_new {
        drawn
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    if line.style == Style::Dotted {
        let dots = line.points.iter().map(|point| Circle::new(*point, 4, color.filled()));
        chart.draw_series(dots)?;
    }
    Ok(())
}

/// The range of some numbers with air on both sides; never empty.
fn spanned(numbers: impl Iterator<Item = f64>, air: f64) -> Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in numbers.filter(|number| number.is_finite()) {
        (low, high) = (low.min(number), high.max(number));
    }
    if low > high {
        return 0.0..1.0;
    }
    let span = if high > low { high - low } else { high.abs().max(1.0) * 0.1 };
    let pad = if high > low { span * air } else { span };
    low - pad..high + pad
}
