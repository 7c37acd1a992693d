//! What is written of every venue in `sent/`: the URL of a page, letter by letter, the timeframes, recorded answers and refusals.

use std::collections::BTreeSet;

use super::{
    check::{T, bits, good, page},
    wire::{files, sent},
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{DAY_MS, Timeframe, UtcMs},
    },
    exchange::venue::{answer::FaultClass, registry::Venue},
};

#[test]
fn every_venue_has_its_file_and_no_file_is_left_over() {
    for venue in Venue::ALL {
        let sent = sent(venue.name());
        let name = venue.name();
        assert!(sent.pages.len() >= 3, "sent/{name}.toml: three [[page]] are needed");
        let timeframes: BTreeSet<&str> =
            sent.pages.iter().map(|page| page.timeframe.as_str()).collect();
        let wanted =
            ["1m", "1h", "1d"].into_iter().filter(|tf| sent.timeframes.iter().any(|has| has == tf));
        for timeframe in wanted {
            assert!(
                timeframes.contains(timeframe),
                "sent/{name}.toml: a [[page]] of {timeframe} is missing"
            );
        }
        assert!(
            sent.answers.iter().any(|answer| answer.bars.len() >= 2),
            "sent/{name}.toml: an [[answer]] with bars is missing"
        );
        let classes: BTreeSet<&str> = sent.refusals.iter().map(|one| one.class.as_str()).collect();
        for class in [
            FaultClass::Throttled,
            FaultClass::Config,
            FaultClass::Transient,
            FaultClass::Malformed,
        ] {
            let class = format!("{class:?}");
            assert!(
                classes.contains(class.as_str()),
                "sent/{name}.toml: a [[refusal]] of the class {class} is missing"
            );
        }
    }
    let names: BTreeSet<&str> = Venue::ALL.iter().map(|venue| venue.name()).collect();
    for name in files().keys() {
        assert!(names.contains(name.as_str()), "sent/{name}.toml: no venue is called {name}");
    }
}

#[test]
fn a_page_has_its_url() {
    assert_eq!(T, 1_762_819_200_000);
    for venue in Venue::ALL {
        for asked in &sent(venue.name()).pages {
            let timeframe = asked.timeframe.parse().unwrap();
            let request = venue.request(&page(&asked.symbol, timeframe, 3)).unwrap();
            let url = &asked.url;
            assert_eq!(request.url(venue.spec().base_url), *url);
            assert!(
                url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/?&=-.".contains(&byte)),
                "{url}"
            );
        }
    }
}

#[test]
fn recorded_answers_hold_exactly_their_bars() {
    let minutes = page("BTC/USD", Timeframe::M1, 3);
    for venue in Venue::ALL {
        for answer in &sent(venue.name()).answers {
            let expected: Vec<TimedBar> = answer
                .bars
                .iter()
                .map(|(open_ms, open, high, low, close, volume)| TimedBar {
                    ts: Timeframe::M1.slot_of_open(*open_ms).unwrap(),
                    bar: Bar::new([*open, *high, *low, *close, *volume]).unwrap(),
                })
                .collect();
            let found = good(*venue, &minutes, &answer.body);
            assert_eq!(bits(&found), bits(&expected), "{}: {found:?}", venue.name());
        }
    }
}

#[test]
fn refusals_have_a_class_and_words() {
    let minutes = page("BTC/USD", Timeframe::M1, 3);
    for venue in Venue::ALL {
        for refusal in &sent(venue.name()).refusals {
            let (status, body) = (refusal.status, &refusal.body);
            let fault = venue.parse(&minutes, status, body.as_bytes()).unwrap_err();
            let class = format!("{:?}", fault.class);
            assert_eq!(class, refusal.class, "{} {status} {body}: {fault}", venue.name());
            assert!((5..500).contains(&fault.why.len()), "{fault}");
        }
    }
}

#[test]
fn a_timeframe_that_a_venue_lacks_is_refused_with_those_it_has() {
    for venue in Venue::ALL {
        let has: Vec<Timeframe> =
            sent(venue.name()).timeframes.iter().map(|name| name.parse().unwrap()).collect();
        let mut words = vec![];
        for timeframe in Timeframe::ALL {
            match venue.request(&page("BTC/USD", timeframe, 3)) {
                Ok(request) => {
                    assert!(has.contains(&timeframe), "{} {timeframe}", venue.name());
                    words.push(request.url(""));
                }
                Err(fault) => {
                    assert!(!has.contains(&timeframe), "{} {timeframe}", venue.name());
                    assert_eq!(fault.class, FaultClass::Config);
                    let names: Vec<&str> = has.iter().map(|known| known.name()).collect();
                    let list = format!("no bars of {timeframe}: use one of {}", names.join(" "));
                    assert!(fault.why.ends_with(&list), "{fault}");
                }
            }
        }
        words.sort();
        words.dedup();
        assert_eq!(words.len(), has.len(), "two timeframes of {} have one word", venue.name());
    }
}

#[test]
fn okx_asks_for_old_bars_elsewhere() {
    for (age_bars, place) in
        [(0, "candles"), (1399, "candles"), (1401, "history-candles"), (100_000, "history-candles")]
    {
        let mut page = page("BTC/USDT", Timeframe::M5, 3);
        page.now = UtcMs::new(T + age_bars * 300_000).unwrap();
        let path = Venue::Okx.request(&page).unwrap().path;
        assert_eq!(path, format!("/api/v5/market/{place}"), "{age_bars}");
    }
}

/// A bound in a URL, milliseconds since 1970: a date, seconds, or milliseconds.
fn bound_ms(text: &str) -> i64 {
    match text.parse::<i64>() {
        Ok(seconds) if seconds < T / 10 => seconds * 1000,
        Ok(ms) => ms,
        Err(_) => text.parse::<UtcMs>().unwrap().get(),
    }
}

#[test]
fn the_largest_page_fits_into_what_a_venue_answers() {
    for venue in Venue::ALL {
        let spec = venue.spec();
        let slots = i64::from(spec.page_bars);
        let page = page("BTC/USD", Timeframe::D1, slots);
        let query = venue.request(&page).unwrap().query;
        for (name, value) in &query {
            if *name == "limit" {
                assert_eq!(value, &slots.to_string(), "{}", venue.name());
            }
            if ["end", "endTime", "endAt"].contains(name) {
                let days = (bound_ms(value) - T).div_euclid(DAY_MS) + 1;
                assert_eq!(days, slots, "{}", venue.name());
            }
        }
        assert!(spec.horizon_bars.is_none_or(|horizon| spec.page_bars <= horizon));
        assert!(spec.pace.burst >= 1 && spec.pace.refill_ms >= 1);
        assert!(spec.base_url.starts_with("https://") && !spec.base_url.ends_with('/'));
    }
}
