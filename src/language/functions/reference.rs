//! The reference of all words: the generated part of the document, and what `runner functions` shows.

use std::fmt::Write as _;

use super::{
    super::{
        problem::meant,
        values::{Clock, Price, SlotValue, ValueRow},
    },
    Function,
    table::{FunctionRow, Group},
};

/// The reference in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    let values = |title: &str, rows: &mut dyn Iterator<Item = ValueRow>| {
        let mut text = format!("### {title}\n\n| name | meaning |\n|---|---|\n");
        for ValueRow { name, meaning, .. } in rows {
            _ = writeln!(text, "| `{name}` | {meaning} |");
        }
        text + "\n"
    };
    text += &values("Prices", &mut Price::ALL.iter().map(|price| price.row()));
    for group in Group::ALL {
        _ = writeln!(text, "### {}\n", group.title());
        text += "| call | meaning | formula | lag | source | special case |\n|---|---|---|---|---|---|\n";
        for row in Function::all().map(Function::row).filter(|row| row.group == group) {
            let FunctionRow { meaning, formula, lag, source, special, .. } = row;
            let cells = [meaning, formula, lag, source, special].map(cell).join(" | ");
            _ = writeln!(text, "| `{}` | {cells} |", row.signature());
        }
        text += "\n";
    }
    text += &values("Clock of the slot", &mut Clock::ALL.iter().map(|clock| clock.row()));
    text += &values(
        "From the ledger, only in `when`",
        &mut SlotValue::ALL.iter().map(|value| value.row()),
    );
    text.trim_end().to_owned() + "\n"
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What there is to say about one word; `None` if the language does not have it.
pub fn describe(name: &str) -> Option<String> {
    if let Some(function) = Function::named(name) {
        let row = function.row();
        let FunctionRow { meaning, formula, lag, source, special, .. } = row;
        let lines =
            [("formula", formula), ("lag", lag), ("source", source), ("special case", special)];
        let mut text = format!("{}\n{meaning}\n", row.signature());
        for (what, line) in lines.iter().filter(|(_, line)| !line.is_empty()) {
            _ = writeln!(text, "{what}: {line}");
        }
        return Some(text);
    }
    let prices = Price::named(name).map(Price::row);
    let row = prices
        .or(Clock::named(name).map(Clock::row))
        .or(SlotValue::named(name).map(SlotValue::row))?;
    Some(format!("{}\n{}\n", row.name, row.meaning))
}

/// The word that a wrong one was probably meant to be.
pub fn nearest(name: &str) -> Option<&'static str> {
    meant(name, words().into_iter())
}

/// Every word, values first.
pub fn words() -> Vec<&'static str> {
    let prices = Price::ALL.iter().map(|price| price.row().name);
    let clocks = Clock::ALL.iter().map(|clock| clock.row().name);
    let ledger = SlotValue::ALL.iter().map(|value| value.row().name);
    prices.chain(clocks).chain(ledger).chain(Function::all().map(|f| f.row().name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_has_one_meaning_and_a_line() {
        let words = words();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
        let text = reference();
        for word in words {
            assert!(text.contains(&format!("`{word}")), "{word}");
            assert!(describe(word).is_some_and(|text| text.lines().count() > 1), "{word}");
        }
    }

    #[test]
    fn every_function_is_described_whole() {
        for row in Function::all().map(Function::row) {
            assert!(!row.meaning.is_empty() && !row.lag.is_empty() && !row.source.is_empty());
            assert!(row.group == Group::Arithmetic || !row.formula.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn the_words_of_the_document_exist() {
        let document = "open high low close volume hl2 hlc3 ohlc4 sma ema wma rma hma vwma rsi stoch_k stoch_d cci mfi willr adx \
            plus_di minus_di roc mom macd macd_signal macd_hist tr atr natr stdev bb_upper bb_mid bb_lower kc_upper kc_mid \
            kc_lower supertrend highest lowest zscore rank log_return volatility volume_z corr day_open day_high day_low day_vwap \
            crosses_above crosses_below rising falling count bars_since value_when min max abs sqrt log exp floor safe_div if tf \
            hour minute weekday held entry_px best_px bars_held profit profit_pct profit_r bars_since_exit stops_in_a_row equity \
            score threshold signal";
        let document: BTreeSet<&str> = document.split_whitespace().collect();
        assert_eq!(words().into_iter().collect::<BTreeSet<_>>(), document);
    }
}
