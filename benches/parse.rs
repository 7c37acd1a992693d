//! Cost of a full page of each venue: from the bytes of the answer to bars, on one core.

#[path = "../src/exchange/venue/tests/wire.rs"]
#[expect(dead_code, reason = "the tests of the venues read more of what is written")]
mod wire;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mjolnir::{
    domain::{
        bar::Shown,
        time::{Timeframe, Window},
    },
    exchange::{
        feed,
        venue::{page_request::PageRequest, registry::Venue},
    },
};
use wire::{Row, answer};

fn parse(c: &mut Criterion) {
    let first = Timeframe::M1.slot(1_762_819_260_000).expect("on the grid");
    let mut group = c.benchmark_group("parse");
    for &venue in Venue::ALL {
        let last = first.plus(i64::from(venue.spec().page_bars) - 1);
        let window = Window::new(first, last).expect("not empty");
        let page =
            PageRequest { symbol: "BTC/USD".parse().expect("a symbol"), window, now: last.close() };
        let bars = feed::seeded_bars(7, window);
        let rows: Vec<Row> =
            bars.iter().map(|bar| Row::new(bar.ts.open_ms(), bar.bar.values())).collect();
        let body = answer(venue.name(), &rows);
        let shown = Shown { bars, bad: Vec::new() };
        assert_eq!(venue.parse(&page, 200, body.as_bytes()).as_ref(), Ok(&shown));
        group.throughput(Throughput::Elements(rows.len() as u64));
        group.bench_function(venue.name(), |b| {
            b.iter(|| venue.parse(&page, 200, black_box(body.as_bytes())));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
