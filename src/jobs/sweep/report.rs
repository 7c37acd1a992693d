//! `sweep.json` and what people read of it: the verdict first, then what it is made of, a line per doubt.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    judge::{DayMoments, VerdictDoc, WalkFigures},
    plan::{DayRange, SweepPlan},
    results::TrialRow,
};

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.sweep/1";

/// Longest line that people are shown.
const WIDTH: usize = 80;
/// Where the text of a line begins.
const INDENT: usize = 10;

/// A trial as a report shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialDoc {
    /// Its place in the plan.
    pub index: u32,
    /// Its key.
    pub key: String,
    /// Its values, as TOML writes them.
    pub values: BTreeMap<String, String>,
    /// Its score.
    pub score: f64,
    /// Parameters that are at the first or the last value of their range.
    pub at_edge: Vec<String>,
    /// Closed trades.
    pub trades: u32,
    /// Trades that the end of the window cut.
    pub cut_trades: u32,
    /// Money earned.
    pub net: f64,
    /// Money at the end by money at the beginning.
    pub growth: f64,
    /// The deepest drawdown, as a part.
    pub drawdown: f64,
    /// Days with a return other than zero.
    pub active_days: u32,
    /// The moments of its days.
    pub moments: Option<DayMoments>,
    /// Trades with stop and target inside one bar.
    pub ambiguous: u32,
    /// Slots at which a latched limit was in force.
    pub halted_slots: u32,
    /// Entries that were vetoed, by what vetoed them.
    pub vetoes: BTreeMap<String, u32>,
}

impl TrialDoc {
    /// Of a row.
    pub fn of(plan: &SweepPlan, row: &TrialRow, at_edge: Vec<String>) -> Self {
        let values = &plan.trials[row.index as usize].values;
        Self {
            index: row.index,
            key: row.key.clone(),
            values: plan.parameters.iter().cloned().zip(values.iter().cloned()).collect(),
            score: row.score.unwrap_or(0.0),
            at_edge,
            trades: row.trades,
            cut_trades: row.cut_trades,
            net: row.net,
            growth: row.growth,
            drawdown: row.drawdown,
            active_days: row.sums.active,
            moments: row.sums.sample().map(DayMoments::of),
            ambiguous: row.ambiguous,
            halted_slots: row.halted_slots,
            vetoes: row.vetoes.clone(),
        }
    }

    fn shown(&self) -> String {
        let pairs: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        pairs.join(", ")
    }

    fn edge(&self) -> String {
        if self.at_edge.is_empty() {
            "inside the range".to_owned()
        } else {
            format!("at the edge of the range of {}", self.at_edge.join(", "))
        }
    }

    /// The values as tables to paste above the rules.
    pub fn toml(&self) -> String {
        let mut tables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.values {
            let (table, line) = match name.rsplit_once('.') {
                Some((table, key)) => (table, format!("{key} = {value}")),
                None => ("strategy.params", format!("{name} = {{ default = {value} }}")),
            };
            tables.entry(table).or_default().push(line);
        }
        let one =
            |(table, lines): (&str, Vec<String>)| format!("[{table}]\n{}\n", lines.join("\n"));
        tables.into_iter().map(one).collect::<Vec<_>>().join("\n")
    }
}

/// Luck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LuckDoc {
    /// Trials of all searches of these days.
    pub trials: u64,
    /// The largest spread of them, at most 1.
    pub spread: f64,
    /// The daily Sharpe ratio that the best of them would show if all were useless.
    pub sr0_daily: f64,
    /// The same as a yearly one.
    pub sr0_yearly: f64,
    /// The day of the oldest of these searches.
    pub since: Option<String>,
    /// The deflated Sharpe ratio of the winner.
    pub dsr: Option<f64>,
}

/// Null markets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NullDoc {
    /// Asked for.
    pub wanted: u32,
    /// Searched.
    pub searched: u32,
    /// At least as good.
    pub at_least: u32,
    /// The share of searches without an edge that do as well.
    pub p: Option<f64>,
}

/// The order of the trials.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrderDoc {
    /// The probability of backtest overfitting.
    pub pbo: f64,
    /// Splits.
    pub splits: u32,
    /// Blocks of days.
    pub blocks: u32,
    /// Blocks that were asked for.
    pub blocks_wanted: u32,
    /// Trials that took part.
    pub trials: u32,
}

/// Buying and holding over the same days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MarketDoc {
    /// Price at the end by price at the beginning.
    pub growth: f64,
    /// Yearly Sharpe ratio.
    pub sharpe_yearly: Option<f64>,
    /// Of the winner to it.
    pub beta: Option<f64>,
    /// Yearly Sharpe ratio of what is left of the winner.
    pub left_sharpe_yearly: Option<f64>,
}

/// The model that the rules follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchedModel {
    /// Its id.
    pub id: String,
    /// How many of the days that were searched its training had.
    pub seen_days: u32,
    /// The last day that its training had, as people write it.
    pub seen_to: String,
}

/// What is held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldDoc {
    /// Which days.
    pub range: DayRange,
    /// How many.
    pub days: u32,
    /// How many of them other searches saw.
    pub seen_days: u32,
    /// With how many trials.
    pub seen_trials: u64,
}

/// `sweep.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepDoc {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it is called.
    pub id: String,
    /// Name of the job.
    pub name: String,
    /// The build.
    pub build: String,
    /// Exchange, symbol and timeframe.
    pub series: [String; 3],
    /// The days that were searched.
    pub search: DayRange,
    /// Days.
    pub days: u32,
    /// Trials.
    pub trials: usize,
    /// Of these, with enough trades and a score.
    pub qualified: u64,
    /// Closed trades without which a trial cannot win.
    pub min_trades: u32,
    /// What trials are ranked by.
    pub score: String,
    /// The verdict.
    pub verdict: VerdictDoc,
    /// The smallest yearly Sharpe ratio that these days could show.
    pub could_show_yearly: f64,
    /// The winner.
    pub winner: Option<TrialDoc>,
    /// The median of the winner and its neighbours, and how many these are.
    pub plateau: Option<(f64, usize)>,
    /// The highest single trial.
    pub highest: Option<TrialDoc>,
    /// Luck.
    pub luck: LuckDoc,
    /// Null markets.
    pub null: NullDoc,
    /// The order of the trials.
    pub order: Option<OrderDoc>,
    /// The walk forward.
    pub walk_forward: Option<WalkFigures>,
    /// Buying and holding.
    pub market: Option<MarketDoc>,
    /// The model, of rules that follow one.
    pub model: Option<SearchedModel>,
    /// What is held out.
    pub hold_out: Option<HeldDoc>,
    /// The ledger of the winner.
    pub ledger: Option<String>,
}

/// A line with its name, cut at the width of a terminal.
fn line(out: &mut String, name: &str, text: &str) {
    let mut current = format!("{name:<INDENT$}");
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && current.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", current.trim_end());
            current = " ".repeat(INDENT);
            is_empty = true;
        }
        if !is_empty {
            current.push(' ');
        }
        current.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{}", current.trim_end());
}

fn two(x: Option<f64>) -> String {
    x.map_or_else(|| "-".to_owned(), |x| format!("{x:.2}"))
}

fn three(x: Option<f64>) -> String {
    x.map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"))
}

fn percent(part: f64) -> String {
    format!("{:.2}%", part * 100.0)
}

impl SweepDoc {
    /// One that says nothing yet.
    pub fn empty() -> Self {
        let range = DayRange { first_day: 0, last_day: -1, shown: String::new() };
        let luck = LuckDoc {
            trials: 0,
            spread: 0.0,
            sr0_daily: 0.0,
            sr0_yearly: 0.0,
            since: None,
            dsr: None,
        };
        Self {
            schema: SCHEMA.to_owned(),
            id: String::new(),
            name: String::new(),
            build: String::new(),
            series: Default::default(),
            search: range,
            days: 0,
            trials: 0,
            qualified: 0,
            min_trades: 0,
            score: String::new(),
            verdict: VerdictDoc { verdict: String::new(), reasons: Vec::new() },
            could_show_yearly: 0.0,
            winner: None,
            plateau: None,
            highest: None,
            luck,
            null: NullDoc { wanted: 0, searched: 0, at_least: 0, p: None },
            order: None,
            walk_forward: None,
            market: None,
            model: None,
            hold_out: None,
            ledger: None,
        }
    }

    /// What people read.
    pub fn text(&self) -> String {
        let mut out = String::new();
        line(&mut out, "sweep", &self.id);
        let about = format!(
            "{} {} {}, {} ({} days), {} trials, {} of them with {} trades",
            self.series[0],
            self.series[1],
            self.series[2],
            self.search.shown,
            self.days,
            self.trials,
            self.qualified,
            self.min_trades
        );
        line(&mut out, "searched", &about);
        line(
            &mut out,
            "verdict",
            &format!("{}: {}", self.verdict.verdict, self.verdict.reasons.join("; ")),
        );
        out.push('\n');
        self.winner_lines(&mut out);
        self.doubt_lines(&mut out);
        if let Some(winner) = &self.winner {
            let _ = write!(out, "\nthe winner's values, to paste into a job:\n\n{}", winner.toml());
        }
        out
    }

    fn winner_lines(&self, out: &mut String) {
        let Some(winner) = &self.winner else {
            line(out, "winner", "none: no trial has enough trades and good neighbours");
            return;
        };
        line(out, "winner", &winner.shown());
        let sharpe = winner.moments.map(|moments| moments.sharpe_yearly);
        line(
            out,
            "",
            &format!(
                "yearly Sharpe {}, {} {}, {} trades, net {:.2}, deepest drawdown {}",
                two(sharpe),
                self.score,
                three(Some(winner.score)),
                winner.trades,
                winner.net,
                percent(winner.drawdown)
            ),
        );
        let odd = [
            (winner.cut_trades, ["trade cut by the end", "trades cut by the end"]),
            (winner.ambiguous, ["ambiguous bar", "ambiguous bars"]),
            (winner.halted_slots, ["slot under a limit", "slots under a limit"]),
        ];
        let vetoes = winner.vetoes.iter().map(|(block, many)| {
            let what = if *many == 1 { "entry" } else { "entries" };
            format!("{many} {what} vetoed by {block}")
        });
        let odd = odd
            .iter()
            .filter(|(many, _)| *many > 0)
            .map(|(many, what)| format!("{many} {}", what[usize::from(*many != 1)]));
        let odd: Vec<String> = odd.chain(vetoes).collect();
        if !odd.is_empty() {
            line(out, "", &odd.join(", "));
        }
        if let Some((score, neighbours)) = self.plateau {
            let text = format!(
                "{} {}, the median of it and its {neighbours} neighbours; {}",
                self.score,
                three(Some(score)),
                winner.edge()
            );
            line(out, "plateau", &text);
        }
        if let Some(highest) = &self.highest {
            let text = format!(
                "{} {} at {}; {}",
                self.score,
                three(Some(highest.score)),
                highest.shown(),
                highest.edge()
            );
            line(out, "highest", &text);
        }
    }

    fn doubt_lines(&self, out: &mut String) {
        let luck = &self.luck;
        let since = luck
            .since
            .as_ref()
            .map_or_else(String::new, |since| format!(", counted since {since}"));
        line(
            out,
            "luck",
            &format!(
                "the best of {} useless rules would show a yearly Sharpe of {:.2}{since}; DSR {}",
                luck.trials,
                luck.sr0_yearly,
                three(luck.dsr)
            ),
        );
        if let Some(moments) = self.winner.as_ref().and_then(|winner| winner.moments) {
            let days = moments
                .days_min
                .map_or_else(|| "none".to_owned(), |days| format!("{:.0} days", days.ceil()));
            line(
                out,
                "",
                &format!(
                    "PSR {}, shortest record that shows a Sharpe above 0: {days}",
                    three(moments.psr)
                ),
            );
        }
        line(
            out,
            "",
            &format!(
                "these days can show a yearly Sharpe above {:.2} at all",
                self.could_show_yearly
            ),
        );
        if self.score != "sharpe" {
            line(
                out,
                "",
                &format!("DSR and PSR are about the daily Sharpe, p about {}", self.score),
            );
        }
        line(out, "null", &self.null_text());
        self.order_line(out);
        self.other_lines(out);
    }

    fn order_line(&self, out: &mut String) {
        match &self.order {
            Some(order) => line(
                out,
                "order",
                &format!(
                    "PBO {:.2} over {} splits of {} blocks, {} trials: how often the best of one half of the days is below the middle in the other; it does not say whether there is an edge",
                    order.pbo, order.splits, order.blocks, order.trials
                ),
            ),
            None => line(out, "order", "- (too few days or trials)"),
        }
    }

    fn other_lines(&self, out: &mut String) {
        if let Some(walk) = &self.walk_forward {
            let flat = if walk.flat > 0 {
                format!(", {} flat because no trial qualified", walk.flat)
            } else {
                String::new()
            };
            line(
                out,
                "walk",
                &format!(
                    "{} windows: yearly Sharpe {} out of sample, {} in sample, efficiency {}; {} positive{flat}; joined {}",
                    walk.windows,
                    two(walk.out_sharpe),
                    two(walk.in_sharpe),
                    two(walk.efficiency),
                    walk.positive,
                    percent(walk.growth - 1.0)
                ),
            );
        }
        if let Some(market) = &self.market {
            line(
                out,
                "market",
                &format!(
                    "buying and holding earned {} (yearly Sharpe {}); beta of the winner {}, yearly Sharpe of what is left {}",
                    percent(market.growth - 1.0),
                    two(market.sharpe_yearly),
                    two(market.beta),
                    two(market.left_sharpe_yearly)
                ),
            );
        }
        if let Some(SearchedModel { id, seen_days, seen_to }) = &self.model {
            let text = match seen_days {
                0 => format!("{id}; its training had none of these days"),
                _ => format!(
                    "{id}; its training had {seen_days} of these days: what it earns there says nothing of other days; search behind {seen_to}"
                ),
            };
            line(out, "model", &text);
        }
        match &self.hold_out {
            Some(held) => line(
                out,
                "hold-out",
                &format!(
                    "{} days, {} of them seen by {} trials; `runner sweep final {}` plays the winner there, once",
                    held.days, held.seen_days, held.seen_trials, self.id
                ),
            ),
            None => line(out, "hold-out", "none"),
        }
        if let Some(ledger) = &self.ledger {
            line(out, "ledger", ledger);
        }
    }

    fn null_text(&self) -> String {
        let null = self.null;
        match null.p {
            None if null.wanted == 0 => {
                "not searched: an edge is never likely without null markets".to_owned()
            }
            None if self.winner.is_none() => "not searched: no trial won".to_owned(),
            None => {
                let many = null.wanted;
                format!("not searched: {many} of them cannot show p <= 0.05, 19 or more can")
            }
            Some(p) => {
                let stopped =
                    if null.searched < null.wanted { ", stopped: p stays above 0.05" } else { "" };
                format!(
                    "{} markets without direction, {} as good as the real one: p {p:.3}{stopped}",
                    null.searched, null.at_least
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_no_longer_than_a_terminal() {
        let mut out = String::new();
        line(&mut out, "verdict", &"word ".repeat(60));
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with("          w")), "{out}");
    }
}
