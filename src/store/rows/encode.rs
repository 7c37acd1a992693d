//! Rows written: decisions, trades and timing, straight into a byte buffer.

use super::{
    number::{push_decimal, push_float, push_hash, push_int},
    timing::Timing,
};
use crate::domain::{
    decision::{Decision, Side},
    series::Series,
    trade::{TradeEvent, TradeId},
};

/// The columns that name the series, rendered once: `binance,BTC/USDT,5m,`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesPrefix(Vec<u8>);

impl SeriesPrefix {
    /// Of one series.
    pub fn new(series: &Series) -> Self {
        let text = format!("{},{},{},", series.exchange(), series.symbol(), series.timeframe());
        Self(text.into_bytes())
    }

    /// As text, with the comma at the end.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("it was made from text")
    }
}

/// Appends one row of `decisions.csv`.
pub fn push_decision(out: &mut Vec<u8>, prefix: &SeriesPrefix, decision: &Decision) {
    out.extend_from_slice(&prefix.0);
    push_int(out, decision.ts.ts_ms());
    push_text(out, decision.action.name());
    // A reason was a text before: a row for every slot need not ask again whether it is one.
    push_bytes(out, decision.reason.as_bytes());
    push_text(out, decision.blocked_by.map_or("", |block| block.name()));
    out.push(b',');
    if let Some(score) = decision.score {
        push_int(out, score);
    }
    push_text(out, decision.position.map_or("flat", Side::name));
    out.push(b',');
    if let Some(close) = decision.close {
        push_float(out, close);
    }
    for price in [decision.entry_px, decision.stop_px] {
        out.push(b',');
        if let Some(price) = price {
            push_decimal(out, price.get());
        }
    }
    out.push(b',');
    push_decimal(out, decision.equity.get());
    push_text(out, decision.risk_state.name());
    for hash in [decision.bar_hash, decision.feat_hash, Some(decision.state_hash)] {
        out.push(b',');
        if let Some(hash) = hash {
            push_hash(out, hash);
        }
    }
    out.push(b'\n');
}

/// Appends one row of `trades.csv`.
pub fn push_trade(out: &mut Vec<u8>, prefix: &SeriesPrefix, series: &Series, trade: &TradeEvent) {
    out.extend_from_slice(&prefix.0);
    push_int(out, trade.ts.ts_ms());
    push_text(out, &TradeId::derive(series, trade.entry, trade.side).to_string());
    push_text(out, trade.event.name());
    push_text(out, trade.side.name());
    let TradeEvent { price, qty, fee, pnl, .. } = trade;
    for value in [price.get(), qty.get(), fee.get(), pnl.get()] {
        out.push(b',');
        push_decimal(out, value);
    }
    push_text(out, trade.event.reason());
    out.extend_from_slice(if trade.ambiguous { b",1\n" } else { b",0\n" });
}

/// Appends one row of `timing.csv`.
pub fn push_timing(out: &mut Vec<u8>, timing: &Timing) {
    push_int(out, timing.ts.ts_ms());
    push_text(out, timing.origin.name());
    out.push(b',');
    push_int(out, timing.seen_at.get());
    out.push(b',');
    push_int(out, timing.late_ms);
    push_text(out, timing.run_id.as_str());
    out.push(b'\n');
}

/// Appends a comma and a text that is known to need no quotes.
fn push_text(out: &mut Vec<u8>, text: &str) {
    push_bytes(out, text.as_bytes());
}

fn push_bytes(out: &mut Vec<u8>, text: &[u8]) {
    debug_assert!(
        !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r')),
        "text of ours needs no quotes"
    );
    out.push(b',');
    out.extend_from_slice(text);
}
