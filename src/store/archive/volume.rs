//! Which column is the volume in the base of the symbol, by its name; and which others are amounts of something else.

use super::{
    columns::{missing, one_of, only},
    read::Options,
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
pub(super) fn is_in_quote(name: &str, options: &Options) -> bool {
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
fn check_currencies(names: &[String], shown: &[String], options: &Options) -> Result<(), String> {
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
pub(super) fn find(names: &[String], shown: &[String], options: &Options) -> Result<usize, String> {
    let found = by_name(names, shown, options)?;
    check_currencies(names, shown, options).map(|()| found)
}

fn by_name(names: &[String], shown: &[String], options: &Options) -> Result<usize, String> {
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
