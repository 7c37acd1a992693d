//! Which column is the volume in the base of the symbol: by its name, and by what other columns with amounts show it cannot be.

use super::{
    columns::{ArchiveColumns, missing, one_of, only},
    read::ReadOptions,
    row::Cell,
    words,
};

/// What the volume is called when its unit is not in the name.
const VOLUMES: [&str; 10] = [
    "base_volume",
    "volume_base",
    "basevolume",
    "base_asset_volume",
    "volumefrom",
    "volume",
    "v",
    "vol",
    "volume_traded",
    "traded_volume",
];
/// How many of them say that they are in the base.
const BASE_VOLUMES: usize = 5;
/// Parts of names of columns that hold an amount.
const AMOUNTS: [&str; 9] =
    ["vol", "amount", "turnover", "quote", "base", "notional", "value", "volume", "ccy"];

/// Whether a column holds an amount, by its name.
pub(super) fn is_amount(name: &str) -> bool {
    AMOUNTS.iter().any(|part| name.contains(part))
}

/// Whether a name is one of a volume.
pub(super) fn is_volume(name: &str) -> bool {
    VOLUMES.contains(&name)
}

/// Whether an amount is in what prices are given in, by its name.
pub(super) fn is_in_quote(name: &str, options: &ReadOptions) -> bool {
    let is_named = name.contains("quote") || matches!(name, "turnover" | "volumeto" | "notional");
    let is_part = name.contains("taker") || name.contains("buy") || name.contains("sell");
    let quote = options.symbol.as_ref().map(|symbol| symbol.quote().to_lowercase());
    let is_own = quote.is_some_and(|quote| {
        [format!("volume_{quote}"), format!("vol_{quote}"), format!("{quote}_volume")]
            .contains(&name.to_owned())
    });
    (is_named || is_own) && !is_part
}

/// An error when a volume is that of a coin or money that the symbol does not have.
fn check_currencies(
    names: &[String],
    shown: &[String],
    options: &ReadOptions,
) -> Result<(), String> {
    let Some(symbol) = &options.symbol else { return Ok(()) };
    for (name, shown) in names.iter().zip(shown) {
        let words: Vec<&str> = name.split('_').collect();
        let (["volume" | "vol", said] | [said, "volume" | "vol"]) = words[..] else { continue };
        let is_own = [words::fit_of_quote(said, symbol), words::fit_of_base(said, symbol)]
            .iter()
            .any(|fit| matches!(fit, words::Fit::Same | words::Fit::Near));
        if words::is_currency(said) && !is_own {
            return Err(format!(
                "column `{}` is a volume in {}, asked for is {symbol}: is it the file of another symbol? If not, name the volume with columns.volume",
                shown.trim().escape_debug(),
                said.to_uppercase()
            ));
        }
    }
    Ok(())
}

/// The volume in the base of the symbol: the one that says so, else the one that does not say what it counts.
pub(super) fn find(
    names: &[String],
    shown: &[String],
    options: &ReadOptions,
) -> Result<usize, String> {
    let found = by_name(names, shown, options)?;
    check_currencies(names, shown, options).map(|()| found)
}

fn by_name(names: &[String], shown: &[String], options: &ReadOptions) -> Result<usize, String> {
    if let Some(symbol) = &options.symbol {
        for base in symbol.base_names() {
            let base = base.to_lowercase();
            let aliases = [
                format!("volume_{base}"),
                format!("vol_{base}"),
                format!("{base}_volume"),
                format!("volume{base}"),
            ];
            if let Some(at) = only(names, &aliases.each_ref().map(String::as_str))? {
                return Ok(at);
            }
        }
    }
    // What is said to be in the base beats what does not say it.
    let (said, plain) = VOLUMES.split_at(BASE_VOLUMES);
    if let Some(at) = only(names, said)? {
        return Ok(at);
    }
    one_of(names, "volume", plain)?;
    only(names, plain)?.ok_or_else(|| missing("volume", shown))
}

/// How far outside of its bar a price may be that two amounts have between them: they are rounded.
const SLACK: f64 = 0.02;
/// Rows that must speak against a volume before it is not believed.
const ROWS_MIN: u64 = 2;

/// What rows say about which amount is which.
#[derive(Debug)]
pub(super) struct Amounts {
    others: Vec<Other>,
    /// Pairs of the other amounts, and how often the second is the first times the price.
    pairs: Vec<Weighed>,
    /// How often the volume is a price of its bar.
    prices: u64,
    thousands: [u64; 5],
    rows: u64,
}

/// Another amount.
#[derive(Debug, Clone, Copy)]
struct Other {
    at: usize,
    is_quote: bool,
    /// The volume is this one times the price.
    as_base: Weighed,
    /// This one is the volume times the price.
    as_quote: Weighed,
    /// The first amount, and whether there are others: what is always the same counts nothing.
    first: Option<f64>,
    varies: bool,
}

#[derive(Debug, Clone, Copy)]
struct Weighed {
    of: (usize, usize),
    rows: u64,
    fits: u64,
}

impl Weighed {
    const fn new(of: (usize, usize)) -> Self {
        Self { of, rows: 0, fits: 0 }
    }

    fn see(&mut self, fits: bool) {
        self.rows += 1;
        self.fits += u64::from(fits);
    }

    const fn is_always(&self) -> bool {
        self.rows > 0 && self.fits == self.rows
    }

    const fn is_never(&self) -> bool {
        self.rows >= ROWS_MIN && self.fits == 0
    }
}

impl Amounts {
    pub(super) fn new(columns: &ArchiveColumns) -> Self {
        let volume = columns.values[4];
        let other = |at: &usize| Other {
            at: *at,
            is_quote: columns.quotes.contains(at),
            as_base: Weighed::new((*at, volume)),
            as_quote: Weighed::new((volume, *at)),
            first: None,
            varies: false,
        };
        let all = &columns.amounts;
        // What takers bought is a part of the volume.
        let is_part = |at: usize| {
            let name = columns.names[at].to_lowercase();
            name.contains("taker") || name.contains("buy") || name.contains("sell")
        };
        let whole: Vec<usize> = all.iter().copied().filter(|at| !is_part(*at)).collect();
        let pairs = whole.iter().flat_map(|a| whole.iter().map(|b| (*a, *b)));
        Self {
            others: all.iter().map(other).collect(),
            pairs: pairs.filter(|(a, b)| a != b).map(Weighed::new).collect(),
            prices: 0,
            thousands: [0; 5],
            rows: 0,
        }
    }

    /// Takes in a row.
    pub(super) fn weigh<'c>(
        &mut self,
        values: &[f64; 5],
        columns: &ArchiveColumns,
        cell: &impl Fn(usize) -> Cell<'c>,
    ) {
        let [_, high, low, _, volume] = *values;
        let is_price = |value: f64| (low * (1.0 - SLACK)..=high * (1.0 + SLACK)).contains(&value);
        let amount = |at: usize| cell(at).number("").ok().filter(|amount| *amount > 0.0);
        self.rows += 1;
        // At a price of one, an amount of the base is one of the quote.
        if !is_price(1.0) {
            for other in &mut self.others {
                let Some(amount) = amount(other.at) else { continue };
                other.varies |= *other.first.get_or_insert(amount) != amount;
                if volume > 0.0 {
                    other.as_base.see(is_price(volume / amount));
                }
                other.as_quote.see(volume > 0.0 && is_price(amount / volume));
            }
            for pair in &mut self.pairs {
                if let (Some(base), Some(quote)) = (amount(pair.of.0), amount(pair.of.1)) {
                    pair.see(is_price(quote / base));
                }
            }
        }
        self.prices += u64::from((low..=high).contains(&volume));
        self.see_thousands(columns, cell);
    }

    fn see_thousands<'c>(&mut self, columns: &ArchiveColumns, cell: &impl Fn(usize) -> Cell<'c>) {
        // Where columns have names, only the one behind the last of them can be a piece.
        let is_loose = |at: usize| !columns.has_names || columns.names[at].is_empty();
        let digits = |at: usize, lengths: std::ops::RangeInclusive<usize>, may_go_on: bool| {
            let word = cell(at).word();
            let whole = word.split('.').next().unwrap_or_default();
            (may_go_on || whole.len() == word.len())
                && lengths.contains(&whole.len())
                && whole.bytes().all(|b| b.is_ascii_digit())
        };
        for (count, at) in self.thousands.iter_mut().zip(columns.values) {
            let is_torn = at + 1 < columns.names.len() && is_loose(at + 1);
            *count += u64::from(is_torn && digits(at, 1..=3, false) && digits(at + 1, 3..=3, true));
        }
    }

    /// Whether the column of the volume can be one.
    pub(super) fn judge(&self, columns: &ArchiveColumns) -> Result<(), String> {
        let name = |at: usize| &columns.names[at];
        let volume = name(columns.values[4]);
        let help = |at: usize| format!("say columns.volume = \"{}\"", name(at));
        if let Some(other) = self.others.iter().find(|other| other.as_base.is_always()) {
            let base = name(other.at);
            return Err(format!(
                "`{volume}` is `{base}` times the price, so it is not the volume in the base: {}",
                help(other.at)
            ));
        }
        let is_wrong = |other: &&Other| other.is_quote && other.varies && other.as_quote.is_never();
        if let Some(other) = self.others.iter().find(is_wrong) {
            let quote = name(other.at);
            return Err(format!(
                "`{quote}` is in no row `{volume}` times the price, so `{volume}` is not the volume in the base; it may count contracts: name the right one with columns.volume"
            ));
        }
        let is_none = self.others.iter().all(|other| other.as_quote.fits == 0);
        let is_pair = |pair: &&Weighed| pair.is_always() && pair.rows >= ROWS_MIN;
        if let Some(pair) = self.pairs.iter().find(is_pair).filter(|_| is_none) {
            let (base, quote) = pair.of;
            return Err(format!(
                "`{}` is `{}` times the price, and `{volume}` is neither of them; it may count contracts: {}, or columns.volume = \"{volume}\" if it is the volume in the base",
                name(quote),
                name(base),
                help(base)
            ));
        }
        let is_loose = columns.names.len() > 6 && self.rows > 0;
        if is_loose && !columns.has_names && self.prices == self.rows {
            return Err(format!(
                "{volume} is a price of its bar in each row, not a volume: give the file a header"
            ));
        }
        if is_loose && self.thousands.contains(&self.rows) {
            return Err("the numbers look split at their thousands: write them without separators, or give the file a header".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::time::Timeframe, store::archive::read::ReadOptions};

    /// Judges rows of price 100 and so, with these amounts after the close.
    fn judge(names: &str, rows: &[&str]) -> Result<(), String> {
        let names: Vec<String> =
            format!("time,open,high,low,close,{names}").split(',').map(String::from).collect();
        let symbol = Some("BTC/USDT".parse().unwrap());
        let columns = ArchiveColumns::find(
            &names,
            &ReadOptions { symbol, ..ReadOptions::new(Timeframe::M5) },
        )?;
        let mut amounts = Amounts::new(&columns);
        for row in rows {
            let text = format!("0,100,101,99,100,{row}");
            let cells: Vec<Cell<'_>> = text.split(',').map(Cell::Text).collect();
            let volume = cells[columns.values[4]].number("").unwrap();
            let values = [100.0, 101.0, 99.0, 100.0, volume];
            amounts.weigh(&values, &columns, &|at| cells[at]);
        }
        amounts.judge(&columns)
    }

    #[test]
    fn contracts_and_quotes_are_not_the_base() {
        for (names, rows, told) in [
            ("vol,amount", ["500,5", "700,7"], "`vol` is `amount` times the price"),
            ("vol,volCcyQuote", ["300,500", "700,700"], "it may count contracts"),
            ("volume,quote_asset_volume", ["1,9999", "0,700"], "it may count contracts"),
            ("volume,Volume USDT", ["1,9999", "2,700"], "it may count contracts"),
            ("vol,volCcy,volx", ["50,5,500", "70,7,700"], "columns.volume = \"volCcy\""),
        ] {
            let error = judge(names, &rows).expect_err(names);
            assert!(error.contains(told), "{names}: {error}");
        }
    }

    #[test]
    fn a_volume_that_agrees_is_one() {
        for (names, rows) in [
            ("volume,quote_volume", ["5,500", "0,0"]),
            (
                "volume,taker_buy_base_asset_volume,taker_buy_quote_asset_volume",
                ["5,2,200", "7,3,300"],
            ),
            ("volume,turnover", ["5,1", "7,1"]),
            ("vol,volCcy,volCcyQuote", ["5,500,500", "7,700,700"]),
            ("Volume BTC,Volume USDT", ["5,500", "7,700"]),
            ("base_volume,volume", ["5,50", "7,70"]),
        ] {
            assert_eq!(judge(names, &rows), Ok(()), "{names}");
        }
    }

    #[test]
    fn amounts_alone_are_no_volume() {
        for names in [
            "Volume (contracts)",
            "vol_ccy",
            "turnover",
            "amount",
            "quote_asset_volume",
            "volume,vol",
        ] {
            let error = judge(names, &[]).unwrap_err();
            assert!(error.contains("columns.volume"), "{names}: {error}");
        }
        let error = judge("Volume ETH,Volume", &[]).unwrap_err();
        assert!(error.contains("is a volume in ETH, asked for is BTC/USDT"), "{error}");
    }
}
