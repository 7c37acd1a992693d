//! Real market files, when the folder with them is named by `MJOLNIR_MARKET`.

use std::path::{Path, PathBuf};

use mjolnir::{
    domain::{
        bar::ClosedBar,
        series::Series,
        time::{Timeframe, UtcMs},
    },
    store::{
        archive::{self, Archive, ReadOptions, RowOrder},
        disk::RealDisk,
        layout::Layout,
        raw::RawStore,
    },
};

use crate::support::market::recorded_market;

fn market() -> Option<PathBuf> {
    recorded_market().map(PathBuf::from)
}

fn read(dir: &Path, file: &str, timeframe: Timeframe) -> Archive {
    let disk = RealDisk::new(dir);
    archive::read(&disk, &dir.join(file), &ReadOptions::new(timeframe))
        .expect("the file is readable")
}

#[test]
fn market_files_hold_what_their_manifest_says() {
    let Some(dir) = market() else { return };
    for (file, timeframe, rows, missing) in [
        ("binance/BTC_USDT/5m.parquet", Timeframe::M5, 148_880, 16),
        ("binance/ETH_USDT/5m.parquet", Timeframe::M5, 148_880, 16),
        ("binance/BTC_USDT/1m_2023_outage.parquet", Timeframe::M1, 66_087, 80),
        ("binance/BTC_USDT/5m_2021Q4_outage.parquet", Timeframe::M5, 26_404, 24),
        ("bitfinex/BTC_USD/1m_2016_hack_outage.parquet", Timeframe::M1, 14_875, 15_365),
        ("kraken/BTC_USDT/1m.parquet", Timeframe::M1, 721, 0),
        ("coinbase/BTC_USD/1m.parquet", Timeframe::M1, 12_423, 775_257),
    ] {
        let archive = read(&dir, file, timeframe);
        assert_eq!((archive.bars.len(), archive.refused.len()), (rows, 0), "{file}");
        assert_eq!(archive.gaps.iter().map(|gap| gap.slots).sum::<i64>(), missing, "{file}");
        assert_eq!((archive.order, archive.duplicates), (RowOrder::Ascending, 0), "{file}");
        assert!(archive.warnings.is_empty(), "{file}: {:?}", archive.warnings);
    }
}

#[test]
fn dirty_files_are_read_for_what_they_are() {
    let Some(dir) = market() else { return };
    for (file, timeframe, counts, order, missing) in [
        (
            "binance_BTCUSDT_5m_inprogress_dupes.csv",
            Timeframe::M5,
            (50, 13, 37, 0),
            RowOrder::Ascending,
            14,
        ),
        (
            "binance_BTCUSDT_1m_inprogress_dupes.csv",
            Timeframe::M1,
            (50, 49, 1, 0),
            RowOrder::Ascending,
            80,
        ),
        (
            "BTCUSDT_5m_descending_localtz_indexcol.csv",
            Timeframe::M5,
            (500, 500, 0, 0),
            RowOrder::Descending,
            0,
        ),
        (
            "BTCUSDT_5m_glued_mainnet_testnet_6month_gap.csv",
            Timeframe::M5,
            (4169, 4169, 0, 0),
            RowOrder::Ascending,
            52_846,
        ),
        (
            "yahoo_BTC-USD_5m_zero_volume_odd_columns.csv.gz",
            Timeframe::M5,
            (17_188, 17_188, 0, 0),
            RowOrder::Ascending,
            0,
        ),
    ] {
        let archive = read(&dir.join("dirty"), file, timeframe);
        let Archive { bars, read, duplicates, refused, gaps, .. } = &archive;
        let got = (*read, bars.len(), *duplicates, refused.len());
        assert_eq!(got, counts, "{file}: {refused:?} {:?}", archive.warnings);
        assert_eq!(archive.order, order, "{file}");
        assert_eq!(gaps.iter().map(|gap| gap.slots).sum::<i64>(), missing, "{file}");
    }
}

#[test]
fn a_year_and_a_half_goes_through_the_store_bit_for_bit() {
    let Some(dir) = market() else { return };
    let archive = read(&dir, "binance/BTC_USDT/5m.parquet", Timeframe::M5);
    let temp = tempfile::tempdir().expect("a temporary folder");
    let layout = Layout::new(temp.path());
    let disk = RealDisk::new(layout.data());
    let symbol = "BTC/USDT".parse().expect("a symbol");
    let series = Series::new("binance".parse().expect("a venue"), symbol, Timeframe::M5);
    let store = RawStore::new(&layout, &disk, &series);
    store.prepare().expect("the folder can be made");
    let bars: Vec<_> = archive.bars.iter().copied().map(ClosedBar::archived).collect();
    let report = store.put(&bars, UtcMs::EPOCH).expect("bars can be stored");
    assert_eq!((report.written, report.days, report.filled), (148_880, 517, 0));
    assert_eq!(store.load_all().expect("bars can be read"), archive.bars);
}
