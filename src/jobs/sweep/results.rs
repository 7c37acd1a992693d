//! `results/<hash>.csv`: the rows of some trials, by index, with their number and hash in the last line. The same trials give the same
//! bytes, whoever plays them.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    store::digest::sha256_hex,
    sweep::{
        sums::{DayBlocks, DaySums},
        trial::{PlayedTrial, Score},
    },
};

/// The columns before and after those of the parameters.
const BEFORE: &str = "index,key";
const AFTER: &str = "trades,days,active_days,score,net,growth,drawdown,r1,r2,r3,r4,downside,cut_trades,ambiguous,halted_slots,ruined,vetoes,blocks";
/// Columns after those of the parameters.
const AFTER_COUNT: usize = 18;

/// What a trial came to, as a file keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRow {
    /// Its place in the plan.
    pub index: u32,
    /// Its key.
    pub key: String,
    /// Closed trades.
    pub trades: u32,
    /// Its score, whatever its trades; `None` where it has none.
    pub score: Option<f64>,
    /// Equity at the end less cash at the start.
    pub net: f64,
    /// Equity at the end by cash at the start.
    pub growth: f64,
    /// The deepest drawdown.
    pub drawdown: f64,
    /// Its days, folded.
    pub sums: DaySums,
    /// Trades that the end of the window cut.
    pub cut_trades: u32,
    /// Trades with stop and target inside one bar.
    pub ambiguous: u32,
    /// Slots at which a latched limit was in force.
    pub halted_slots: u32,
    /// Whether everything was lost.
    pub is_ruined: bool,
    /// Entries that were vetoed, by what vetoed them.
    pub vetoes: BTreeMap<String, u32>,
}

impl TrialRow {
    /// Of a trial that was played.
    pub fn of((index, key): (u32, &str), played: &PlayedTrial, score: Score) -> Self {
        let vetoes = played.vetoes.iter().map(|(block, many)| (block.name().to_owned(), *many));
        Self {
            index,
            key: key.to_owned(),
            trades: played.trades,
            score: played.score(score),
            net: played.net,
            growth: played.growth,
            drawdown: played.drawdown,
            sums: played.sums.clone(),
            cut_trades: played.cut_trades,
            ambiguous: played.ambiguous,
            halted_slots: played.halted_slots,
            is_ruined: played.is_ruined,
            vetoes: vetoes.collect(),
        }
    }

    /// Its score, where it has enough trades to win.
    pub fn qualified(&self, min_trades: u32) -> Option<f64> {
        self.score.filter(|_| self.trades >= min_trades)
    }

    /// The daily Sharpe ratio; `None` without spread.
    pub fn sharpe(&self) -> Option<f64> {
        self.sums.sample().map(|sample| sample.sharpe)
    }
}

/// What the file of these trials is called, without its ending.
pub fn name_of<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    let text = keys.fold(String::new(), |text, key| text + key + "\n");
    sha256_hex(text.as_bytes())[..32].to_owned()
}

/// The file. `values` are those of the parameters, as TOML writes them.
pub fn render(names: &[String], rows: &[(&TrialRow, &[String])]) -> String {
    let mut text = header(names);
    for (row, values) in rows {
        push(&mut text, row, values);
    }
    let hash = sha256_hex(text.as_bytes());
    let _ = writeln!(text, "# rows {} sha256 {hash}", rows.len());
    text
}

fn header(names: &[String]) -> String {
    let names = names.iter().fold(String::new(), |text, name| text + "," + &quoted(name));
    format!("{BEFORE}{names},{AFTER}\n")
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn push(text: &mut String, row: &TrialRow, values: &[String]) {
    let _ = write!(text, "{},{}", row.index, row.key);
    for value in values {
        let _ = write!(text, ",{}", quoted(value));
    }
    let score = row.score.map_or_else(String::new, |score| score.to_string());
    let sums = &row.sums;
    let _ = write!(
        text,
        ",{},{},{},{score},{},{},{}",
        row.trades, sums.days, sums.active, row.net, row.growth, row.drawdown
    );
    for power in sums.powers.iter().chain([&sums.downside]) {
        let _ = write!(text, ",{power}");
    }
    let list = |parts: Vec<String>| parts.join(" ");
    let vetoes = row.vetoes.iter().map(|(block, many)| format!("{block}:{many}")).collect();
    let blocks = sums.blocks.iter().map(|b| format!("{}:{}", b.sum, b.squares)).collect();
    let _ = writeln!(
        text,
        ",{},{},{},{},{},{}",
        row.cut_trades,
        row.ambiguous,
        row.halted_slots,
        row.is_ruined,
        list(vetoes),
        list(blocks)
    );
}

/// The rows of a file; `None` where it is short, changed or of other parameters.
pub fn parse(text: &str, names: &[String], cut: DayBlocks) -> Option<Vec<TrialRow>> {
    let at = text.trim_end_matches('\n').rfind('\n')? + 1;
    let (body, last) = text.split_at(at);
    let mut words = last.split_whitespace();
    let (["#", "rows"], rows) = ([words.next()?, words.next()?], words.next()?) else {
        return None;
    };
    let (many, "sha256", hash) = (rows.parse::<usize>().ok()?, words.next()?, words.next()?) else {
        return None;
    };
    if sha256_hex(body.as_bytes()) != hash || !body.starts_with(&header(names)) {
        return None;
    }
    let rows: Option<Vec<TrialRow>> =
        body.lines().skip(1).map(|line| row(line, names.len(), cut)).collect();
    rows.filter(|rows| rows.len() == many)
}

fn row(line: &str, names: usize, cut: DayBlocks) -> Option<TrialRow> {
    let cells = cells(line);
    if cells.len() != 2 + names + AFTER_COUNT {
        return None;
    }
    let (before, after) = (&cells[..2], &cells[2 + names..]);
    let whole = |at: usize| after[at].parse::<u32>().ok();
    let float = |at: usize| after[at].parse::<f64>().ok();
    let score = if after[3].is_empty() { None } else { Some(float(3)?) };
    let powers = [float(7)?, float(8)?, float(9)?, float(10)?];
    let pair = |text: &str| {
        let (a, b) = text.split_once(':')?;
        Some((a.to_owned(), b.to_owned()))
    };
    let vetoes: Option<BTreeMap<String, u32>> = after[16]
        .split(' ')
        .filter(|part| !part.is_empty())
        .map(|part| {
            // A veto has a colon in its own name.
            let (name, many) = part.rsplit_once(':')?;
            Some((name.to_owned(), many.parse().ok()?))
        })
        .collect();
    let blocks: Option<Vec<[f64; 2]>> = after[17]
        .split(' ')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (sum, squares) = pair(part)?;
            Some([sum.parse().ok()?, squares.parse().ok()?])
        })
        .collect();
    Some(TrialRow {
        index: before[0].parse().ok()?,
        key: before[1].clone(),
        trades: whole(0)?,
        score,
        net: float(4)?,
        growth: float(5)?,
        drawdown: float(6)?,
        sums: DaySums::of(cut, (whole(1)?, whole(2)?), (powers, float(11)?), &blocks?)?,
        cut_trades: whole(12)?,
        ambiguous: whole(13)?,
        halted_slots: whole(14)?,
        is_ruined: after[15].parse().ok()?,
        vetoes: vetoes?,
    })
}

/// The cells of a line, in which a quoted one may hold commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut inside) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: u32) -> TrialRow {
        let cut = DayBlocks::new(40, 4);
        let mut sums = DaySums::new(cut);
        (0..40)
            .for_each(|day| sums.take(f64::from(day % 7) * 1e-3 - 2e-3 + f64::from(index) * 1e-9));
        TrialRow {
            index,
            key: format!("{index:032x}"),
            trades: 12,
            score: (index != 1).then_some(0.1 + f64::from(index) / 3.0),
            net: -12.5,
            growth: 0.998_75,
            drawdown: 0.1 + 0.2,
            sums,
            cut_trades: 1,
            ambiguous: 2,
            halted_slots: 30,
            is_ruined: index == 1,
            vetoes: BTreeMap::from([("risk:cash".to_owned(), 3), ("cooldown".to_owned(), 1)]),
        }
    }

    fn file(names: &[String]) -> String {
        let rows: Vec<TrialRow> = (0..3).map(row).collect();
        let values: Vec<String> = vec!["5".into(), "\"a,b\"".into()];
        render(names, &rows.iter().map(|row| (row, &values[..])).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_written_is_read_to_the_last_bit() {
        let names = vec!["fast".to_owned(), "risk.odd".to_owned()];
        let text = file(&names);
        assert_eq!(parse(&text, &names, DayBlocks::new(40, 4)), Some((0..3).map(row).collect()));
    }

    #[test]
    fn a_file_that_is_short_or_changed_is_not_read() {
        let names = vec!["fast".to_owned(), "risk.odd".to_owned()];
        let text = file(&names);
        for end in 0..text.len() - 1 {
            assert_eq!(parse(&text[..end], &names, DayBlocks::new(40, 4)), None, "{end}");
        }
        let changed = text.replacen(",12,", ",13,", 1);
        assert_eq!(parse(&changed, &names, DayBlocks::new(40, 4)), None);
        assert_eq!(parse(&text, &names[..1], DayBlocks::new(40, 4)), None);
        assert_eq!(parse(&text, &names, DayBlocks::new(40, 2)), None, "of other blocks");
    }

    #[test]
    fn the_name_depends_on_the_keys_and_their_order() {
        let name = |keys: &[&str]| name_of(keys.iter().copied());
        assert_eq!(name(&["a", "b"]), name(&["a", "b"]));
        assert_ne!(name(&["a", "b"]), name(&["b", "a"]));
        assert_ne!(name(&["a", "b"]), name(&["ab"]));
    }
}
