//! The page about a sweep: its text, and four pictures. The map shows each point of the two widest parameters, the plateau outlined; the
//! histogram shows where luck ends; the cloud compares the two halves of the days; the last line is the walk forward.

use maud::{Markup, html};

use super::{
    axis::{Range, plain},
    page::whole,
};

/// Width and height of a picture.
const WIDE: f64 = 760.0;
const HIGH: f64 = 260.0;
/// Bars of the histogram.
const BINS: usize = 40;

/// One trial, as the pictures need it.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPoint {
    /// Its values, as they are written.
    pub values: Vec<String>,
    /// Its score; none where it cannot win.
    pub score: Option<f64>,
    /// Yearly Sharpe ratio of all days, of the first half and of the second half.
    pub sharpe: Option<f64>,
    /// The two halves.
    pub halves: Option<[f64; 2]>,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPage {
    /// What the sweep is called.
    pub id: String,
    /// The verdict, and whether it is an edge.
    pub verdict: (String, bool),
    /// What people read on a terminal.
    pub text: String,
    /// Names of the parameters.
    pub names: Vec<String>,
    /// The trials, by index.
    pub points: Vec<SweepPoint>,
    /// The winner.
    pub winner: Option<usize>,
    /// The winner and its neighbours.
    pub plateau: Vec<usize>,
    /// The yearly Sharpe ratio that the best of as many useless rules would show.
    pub luck: f64,
    /// How many these are, those of other searches of the same days among them.
    pub luck_trials: u64,
    /// The returns of the days of the walk forward.
    pub walk: Vec<f64>,
    /// The build.
    pub build: String,
}

/// The whole page.
pub fn sweep_page(sweep: &SweepPage) -> String {
    let sections = [
        (
            "Map",
            "The score of every point: the fuller the colour, the better. Where more than two parameters are turned, the best of the others is shown. The outline is the winner with its neighbours.",
            map(sweep),
        ),
        (
            "Luck",
            "The yearly Sharpe ratios of all trials. The line is what the best of as many useless rules would show.",
            histogram(sweep),
        ),
        (
            "First half and second half",
            "Each trial by its yearly Sharpe ratio in the first and in the second half of the days. Where there is an edge, who is good in one is good in the other.",
            cloud(sweep),
        ),
        (
            "Walk forward",
            "Money by money at the beginning, over the test windows joined.",
            walk(sweep),
        ),
    ];
    let body = html! {
        header {
            p.kind { "sweep" }
            h1 { bdi { (sweep.id) } }
            section.stamp aria-label="verdict" { p.verdict.pass[sweep.verdict.1] { (sweep.verdict.0) } }
        }
        main.sweep {
            section #text { h2 { "What it says" } pre tabindex="0" role="group" aria-label="the text" { (sweep.text) } }
            @for (title, note, picture) in &sections {
                @if let Some(picture) = picture {
                    section { h2 { (title) } figure tabindex="0" aria-label=(title) { (picture) figcaption { (note) } } }
                }
            }
        }
        footer { p { "Build " (sweep.build) ". docs/SWEEPS.md explains every figure." } }
    };
    whole(&format!("{}, sweep", sweep.id), &body)
}

/// A picture of some size, with its name for people who do not see it.
fn picture(name: &str, [wide, high]: [f64; 2], inside: &Markup) -> Markup {
    html! {
        svg role="img" aria-label=(name) viewBox=(format!("-60 -10 {} {}", wide + 80.0, high + 50.0)) {
            (inside)
        }
    }
}

fn text(x: f64, y: f64, class: &str, said: &str) -> Markup {
    html! { text x=(place(x)) y=(place(y)) class=(class) fill="currentColor" font-size="11" text-anchor=(if class == "x" { "middle" } else { "end" }) { (said) } }
}

fn place(x: f64) -> String {
    format!("{x:.1}")
}

/// The values of a parameter that occur, in their order.
fn occurring(points: &[SweepPoint], axis: usize) -> Vec<String> {
    let mut values: Vec<String> = points.iter().map(|point| point.values[axis].clone()).collect();
    let number = |text: &String| text.parse::<f64>().ok();
    values.sort_by(|a, b| match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    });
    values.dedup();
    values
}

/// Most values of a parameter that a map can show.
const CELLS_MAX: usize = 60;

fn map(sweep: &SweepPage) -> Option<Markup> {
    let mut axes: Vec<(usize, Vec<String>)> =
        (0..sweep.names.len()).map(|axis| (axis, occurring(&sweep.points, axis))).collect();
    axes.sort_by_key(|(axis, values)| (std::cmp::Reverse(values.len()), *axis));
    let (first, first_values) = axes.first()?.clone();
    let (second, second_values) =
        axes.get(1).cloned().unwrap_or_else(|| (first, vec![String::new()]));
    if first_values.len() > CELLS_MAX || second_values.len() > CELLS_MAX {
        return None;
    }
    let at = |point: &SweepPoint| {
        let x = first_values.iter().position(|value| *value == point.values[first])?;
        let y = if second == first {
            0
        } else {
            second_values.iter().position(|value| *value == point.values[second])?
        };
        Some((x, y))
    };
    let mut best = vec![None::<f64>; first_values.len() * second_values.len()];
    let mut outlined = vec![false; best.len()];
    for (index, point) in sweep.points.iter().enumerate() {
        let Some((x, y)) = at(point) else { continue };
        let cell = y * first_values.len() + x;
        let better = |score: &f64| best[cell].is_none_or(|held| *score > held);
        if let Some(score) = point.score.filter(better) {
            best[cell] = Some(score);
        }
        outlined[cell] |= sweep.plateau.contains(&index);
    }
    let range = Range::of(best.iter().flatten().copied());
    let (wide, high) =
        (WIDE / first_values.len() as f64, (HIGH / second_values.len() as f64).min(40.0));
    let winner = sweep.winner.and_then(|winner| at(&sweep.points[winner]));
    let cells = html! {
        @for (cell, score) in best.iter().enumerate() {
            @let (x, y) = (cell % first_values.len(), cell / first_values.len());
            @let shade = score.map_or(0.0, |score| 0.08 + 0.92 * range.place(score));
            rect x=(place(x as f64 * wide)) y=(place(y as f64 * high)) width=(place(wide - 1.0)) height=(place(high - 1.0))
                fill="var(--own)" fill-opacity=(format!("{shade:.2}"))
                stroke=[outlined[cell].then_some("var(--held)")] stroke-width="2" {
                title { (sweep.names[first]) " " (first_values[x]) ", " (sweep.names[second]) " " (second_values[y]) ": " (score.map_or("cannot win".to_owned(), |score| format!("{score:.4}"))) }
            }
            @if winner == Some((x, y)) {
                circle cx=(place((x as f64 + 0.5) * wide)) cy=(place((y as f64 + 0.5) * high)) r="4" fill="var(--held)" {}
            }
        }
        @for (x, value) in first_values.iter().enumerate() {
            @if x % first_values.len().div_ceil(14) == 0 { (text((x as f64 + 0.5) * wide, second_values.len() as f64 * high + 14.0, "x", value)) }
        }
        @for (y, value) in second_values.iter().enumerate() {
            @if y % second_values.len().div_ceil(14) == 0 { (text(-6.0, (y as f64 + 0.5) * high + 4.0, "y", value)) }
        }
        (text(WIDE / 2.0, second_values.len() as f64 * high + 30.0, "x", &format!("{} across, {} down", sweep.names[first], sweep.names[second])))
    };
    Some(picture("heat map of the scores", [WIDE, second_values.len() as f64 * high], &cells))
}

fn histogram(sweep: &SweepPage) -> Option<Markup> {
    let ratios: Vec<f64> = sweep.points.iter().filter_map(|point| point.sharpe).collect();
    if ratios.is_empty() {
        return None;
    }
    let range = Range::of(ratios.iter().copied().chain([sweep.luck]));
    let mut bins = [0_u32; BINS];
    for ratio in &ratios {
        bins[((range.place(*ratio) * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = f64::from(bins.iter().copied().max().unwrap_or(1).max(1));
    let wide = WIDE / BINS as f64;
    let line = range.place(sweep.luck) * WIDE;
    let drawn = html! {
        @for (place_of, many) in bins.iter().enumerate() {
            @let tall = f64::from(*many) / most * HIGH;
            rect x=(place(place_of as f64 * wide)) y=(place(HIGH - tall)) width=(place(wide - 1.0)) height=(place(tall)) fill="var(--own)" {}
        }
        line x1=(place(line)) x2=(place(line)) y1="0" y2=(HIGH) stroke="var(--loss)" stroke-width="2" {}
        // Near the right end the words stay inside.
        (text(line, -2.0, if line > WIDE * 0.85 { "y" } else { "x" }, &format!("best of {} useless", sweep.luck_trials)))
        (ticks_below(range))
    };
    Some(picture("histogram of the yearly Sharpe ratios", [WIDE, HIGH], &drawn))
}

fn ticks_below(range: Range) -> Markup {
    html! {
        @for tick in plain(range, 9) {
            @let x = range.place(tick.0) * WIDE;
            (text(x, HIGH + 16.0, "x", &tick.1))
        }
    }
}

fn cloud(sweep: &SweepPage) -> Option<Markup> {
    let both: Vec<(usize, [f64; 2])> = sweep
        .points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| Some((index, point.halves?)))
        .collect();
    if both.len() < 2 {
        return None;
    }
    let (across, up) = (
        Range::of(both.iter().map(|(_, halves)| halves[0])),
        Range::of(both.iter().map(|(_, halves)| halves[1])),
    );
    let drawn = html! {
        @for (index, [a, b]) in &both {
            @let is_winner = sweep.winner == Some(*index);
            circle cx=(place(across.place(*a) * WIDE)) cy=(place(HIGH - up.place(*b) * HIGH)) r=(if is_winner { "6" } else { "3" })
                fill=(if is_winner { "var(--held)" } else { "var(--own)" }) fill-opacity=(if is_winner { "1" } else { "0.5" }) {}
        }
        (ticks_below(across))
        @for tick in plain(up, 7) { (text(-6.0, HIGH - up.place(tick.0) * HIGH + 4.0, "y", &tick.1)) }
    };
    Some(picture("each trial in the first and in the second half", [WIDE, HIGH], &drawn))
}

fn walk(sweep: &SweepPage) -> Option<Markup> {
    if sweep.walk.is_empty() {
        return None;
    }
    let mut growth = 1.0;
    let levels: Vec<f64> = std::iter::once(1.0)
        .chain(sweep.walk.iter().map(|r| {
            growth *= 1.0 + r;
            growth
        }))
        .collect();
    let range = Range::of(levels.iter().copied());
    let last = (levels.len() - 1) as f64;
    let points: Vec<String> = levels
        .iter()
        .enumerate()
        .map(|(day, level)| {
            format!(
                "{},{}",
                place(day as f64 / last * WIDE),
                place(HIGH - range.place(*level) * HIGH)
            )
        })
        .collect();
    let drawn = html! {
        polyline points=(points.join(" ")) fill="none" stroke="var(--own)" stroke-width="1.6" {}
        @for tick in plain(range, 7) { (text(-6.0, HIGH - range.place(tick.0) * HIGH + 4.0, "y", &tick.1)) }
        (text(WIDE / 2.0, HIGH + 16.0, "x", &format!("{} days", sweep.walk.len())))
    };
    Some(picture("the walk forward", [WIDE, HIGH], &drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> SweepPage {
        let point = |fast: u32, slow: u32| SweepPoint {
            values: vec![fast.to_string(), slow.to_string(), "\"<b>\"".to_owned()],
            score: (fast != 2).then_some(f64::from(fast) / f64::from(slow)),
            sharpe: Some(f64::from(fast)),
            halves: Some([f64::from(fast), f64::from(slow)]),
        };
        SweepPage {
            id: "s_1".to_owned(),
            verdict: ("NO EDGE SHOWN: p < 1".to_owned(), false),
            text: "winner <x>".to_owned(),
            names: vec!["fast".to_owned(), "slow".to_owned(), "odd".to_owned()],
            points: (2..12).flat_map(|fast| (20..23).map(move |slow| point(fast, slow))).collect(),
            winner: Some(4),
            plateau: vec![1, 3, 4, 5, 7],
            luck: 2.0,
            luck_trials: 30,
            walk: vec![0.01, -0.02, 0.0],
            build: "b".to_owned(),
        }
    }

    #[test]
    fn a_page_has_four_pictures_and_nothing_from_elsewhere() {
        let html = sweep_page(&page());
        assert_eq!(html.matches("<svg").count(), 4);
        assert_eq!(html.matches("stroke=\"var(--held)\"").count(), 5, "the plateau is outlined");
        // 30 cells of the map; values come in the order of numbers.
        assert_eq!(html.matches("<title>").count(), 31);
        let at = |text: &str| html.find(&format!(">{text}</text>")).unwrap();
        assert!(at("9") < at("10"));
        assert!(
            html.contains("winner &lt;x&gt;")
                && !html.contains("<script")
                && !html.contains("http")
        );
    }

    #[test]
    fn what_is_not_there_is_not_drawn() {
        let empty = SweepPage {
            points: vec![],
            winner: None,
            plateau: vec![],
            walk: vec![],
            names: vec![],
            ..page()
        };
        assert_eq!(sweep_page(&empty).matches("<svg").count(), 0);
        let one = SweepPage {
            points: page().points[..1].to_vec(),
            winner: None,
            names: vec!["fast".to_owned()],
            walk: vec![],
            ..page()
        };
        assert_eq!(
            sweep_page(&one).matches("<svg").count(),
            2,
            "a map of one point and a histogram"
        );
    }
}
