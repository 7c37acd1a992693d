//! Which pages of a window are asked, in which order, what their answers prove, and what is still missing afterwards. Pure.
//!
//! The newest page is asked first and reaches beyond the window. From the first bar that was seen on, every older bar is
//! closed by construction when it is asked for: a later one has been seen before. No clock decides that.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{
    bar::{BadRow, Closed, ClosedBar, Shown},
    time::{SlotTs, Window},
};

/// What is known of the venue and the present.
#[derive(Debug, Clone, Copy)]
pub struct PageBounds {
    /// Most slots of one page.
    pub page_bars: u32,
    /// How many bars back from the forming one the venue answers.
    pub horizon_bars: Option<u32>,
    /// The slot that forms now, by our clock; nothing later is asked for.
    pub forming: SlotTs,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPlan {
    /// Slots to fill, in runs, oldest first.
    missing: Vec<Window>,
    /// Slots too old for the venue, in runs, oldest first.
    beyond: Vec<Window>,
    /// The pages, newest first.
    pages: Vec<Window>,
}

impl FetchPlan {
    /// Plans to fill `wanted`, of which the slots of `stored` (sorted) are there.
    pub fn new(wanted: Window, stored: &[SlotTs], bounds: PageBounds) -> Self {
        let oldest = bounds.horizon_bars.map(|bars| bounds.forming.plus(-i64::from(bars)));
        let absent = || wanted.iter().filter(|slot| stored.binary_search(slot).is_err());
        let is_beyond = |slot: &SlotTs| oldest.is_some_and(|oldest| *slot < oldest);
        let missing = runs(absent().filter(|slot| !is_beyond(slot)));
        let beyond = runs(absent().filter(is_beyond));
        let pages = pages(&missing, bounds);
        Self { missing, beyond, pages }
    }

    /// The pages in the order they are asked.
    pub fn pages(&self) -> &[Window] {
        &self.pages
    }

    /// Whether a bar of this slot is to be stored.
    pub fn wants(&self, slot: SlotTs) -> bool {
        let at = self.missing.partition_point(|run| run.last() < slot);
        self.missing.get(at).is_some_and(|run| run.contains(slot))
    }

    /// What a page was asked for and did not bring, as one question: first what no answer had room for, then, once, what answers left
    /// out. It reaches as far as the page where the newest slots are missing, for the bar that proves them.
    pub fn rest(&self, page: Window, seen: &SeenSlots, looks: &Looks) -> Option<Window> {
        let wanted = || page.iter().filter(|slot| self.wants(*slot));
        let absent: Vec<SlotTs> =
            wanted().filter(|slot| !seen.got.contains(slot) && !seen.bad.contains(slot)).collect();
        let looked = |times: usize| absent.iter().filter(move |slot| looks.times(**slot) == times);
        let open: Vec<&SlotTs> =
            (0..LOOKS).map(|n| looked(n).collect()).find(|open: &Vec<&SlotTs>| !open.is_empty())?;
        let (first, last) = (**open.first()?, **open.last()?);
        let end = if wanted().last() == Some(last) { page.last() } else { last };
        Window::new(first, end).ok()
    }

    /// Whether there was something to fill.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.beyond.is_empty()
    }

    /// What is missing after the first `answered` pages, in runs: for each the reason, newest reason last.
    pub fn lacks(&self, answered: usize, seen: &SeenSlots) -> Vec<(LackReason, Window)> {
        let SeenSlots { got, bad, newest } = seen;
        let asked_from = answered.checked_sub(1).and_then(|last| self.pages.get(last));
        let why = |slot: SlotTs| match asked_from {
            Some(page) if slot >= page.first() && bad.contains(&slot) => LackReason::BadRow,
            Some(page) if slot >= page.first() && *newest == Some(slot) => LackReason::Unproven,
            Some(page) if slot >= page.first() => LackReason::NoBar,
            Some(_) | None => LackReason::NotAnswered,
        };
        let mut found: Vec<(LackReason, Window)> =
            self.beyond.iter().map(|run| (LackReason::BeyondHorizon, *run)).collect();
        let absent = self.missing.iter().flat_map(|run| run.iter());
        let absent: Vec<SlotTs> = absent.filter(|slot| !got.contains(slot)).collect();
        for kind in
            [LackReason::NotAnswered, LackReason::BadRow, LackReason::NoBar, LackReason::Unproven]
        {
            let of_kind = absent.iter().copied().filter(|slot| why(*slot) == kind);
            found.extend(runs(of_kind).into_iter().map(|run| (kind, run)));
        }
        found
    }
}

/// Why a slot is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LackReason {
    /// It is older than anything the venue answers.
    BeyondHorizon,
    /// The venue did not answer for it.
    NotAnswered,
    /// The venue answered, with a row there that is not a bar.
    BadRow,
    /// The venue answered, without a bar there.
    NoBar,
    /// Its bar is the newest one the venue showed, which may still be forming.
    Unproven,
}

/// How often an answer must leave a slot out before that is believed.
const LOOKS: usize = 2;

/// How often answers to the questions of a page left slots out that they had room for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Looks(BTreeMap<SlotTs, usize>);

impl Looks {
    /// An answer to a question, with its oldest and its newest row. One with news had room for the slots between these two, and may have
    /// ended early on either side; one without had room for the whole question.
    pub fn answered(&mut self, question: Window, rows: Option<(SlotTs, SlotTs)>, is_news: bool) {
        let has_room = |slot: &SlotTs| match rows {
            Some((oldest, newest)) if is_news => (oldest..newest).contains(slot),
            Some(_) | None => true,
        };
        for slot in question.iter().filter(has_room) {
            *self.0.entry(slot).or_default() += 1;
        }
    }

    fn times(&self, slot: SlotTs) -> usize {
        self.0.get(&slot).copied().unwrap_or_default()
    }
}

/// What the pages so far showed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenSlots {
    /// Slots that have their bar.
    pub got: BTreeSet<SlotTs>,
    /// Slots whose row is not a bar.
    pub bad: BTreeSet<SlotTs>,
    /// The newest slot of any page, which may still be forming.
    pub newest: Option<SlotTs>,
}

impl SeenSlots {
    /// The closed part of the answer to a page that lies before the newest slot seen. A later bar that was seen before the page
    /// was asked for proves as much as one in the same answer.
    pub fn closed(&mut self, mut answer: Shown) -> Closed {
        // It says nothing but that its slot was seen, so that it is not looked at.
        let newest = self.newest.map(|ts| BadRow { ts: Some(ts), why: String::new() });
        answer.bad.extend(newest);
        let shown = answer.bars.iter().map(|bar| bar.ts);
        self.newest = shown.chain(answer.bad.iter().filter_map(|row| row.ts)).max();
        ClosedBar::from_answer(answer)
    }
}

/// Slots in ascending order as runs without a hole.
fn runs(slots: impl Iterator<Item = SlotTs>) -> Vec<Window> {
    let mut found: Vec<Window> = Vec::new();
    for slot in slots {
        let open = found.last_mut().filter(|run| run.last().next() == slot);
        let (first, place) = (open.as_ref().map_or(slot, |run| run.first()), open);
        let run = Window::new(first, slot).expect("slots ascend");
        match place {
            Some(place) => *place = run,
            None => found.push(run),
        }
    }
    found
}

/// Pages over the runs, newest first. One page may cover several runs; none begins or ends outside them, but for the first
/// one, which reaches as far beyond the newest run as it can, for the bar that proves the others.
fn pages(missing: &[Window], bounds: PageBounds) -> Vec<Window> {
    let most = i64::from(bounds.page_bars.max(2));
    let mut found: Vec<Window> = Vec::new();
    let mut next = missing.last().map(|run| run.last());
    while let Some(last) = next {
        let slots = if found.is_empty() { most - 1 } else { most };
        let lowest = last.plus(1 - slots);
        let at = missing.partition_point(|run| run.last() < lowest);
        let first = missing.get(at).map_or(last, |run| run.first().max(lowest));
        let reach = first.plus(most - 1).min(bounds.forming);
        let end = if found.is_empty() { last.max(reach) } else { last };
        found.push(Window::new(first, end).expect("the first slot is not later than the last"));
        let before = missing.partition_point(|run| run.first() < first).checked_sub(1);
        next = before.map(|at| missing[at].last().min(first.plus(-1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        bar::{Bar, TimedBar},
        time::Timeframe,
    };

    fn slot(n: i64) -> SlotTs {
        Timeframe::M5.slot(1_700_000_100_000).unwrap().plus(n)
    }

    fn window(first: i64, last: i64) -> Window {
        Window::new(slot(first), slot(last)).unwrap()
    }

    fn bounds(page_bars: u32, horizon_bars: Option<u32>, forming: i64) -> PageBounds {
        PageBounds { page_bars, horizon_bars, forming: slot(forming) }
    }

    fn ends(windows: &[Window]) -> Vec<(i64, i64)> {
        windows.iter().map(|w| (w.first().since(slot(0)), w.last().since(slot(0)))).collect()
    }

    fn asked(wanted: Window, stored: &[i64], bounds: PageBounds) -> Vec<(i64, i64)> {
        let stored: Vec<SlotTs> = stored.iter().map(|n| slot(*n)).collect();
        ends(FetchPlan::new(wanted, &stored, bounds).pages())
    }

    #[test]
    fn the_newest_page_is_first_and_reaches_beyond_the_window() {
        let far = bounds(10, None, 1_000);
        assert_eq!(asked(window(0, 24), &[], far), [(16, 25), (6, 15), (0, 5)]);
        assert_eq!(asked(window(0, 8), &[], far), [(0, 9)]);
        assert_eq!(asked(window(0, 9), &[], far), [(1, 10), (0, 0)]);
        // Never beyond the slot that is forming.
        assert_eq!(asked(window(0, 4), &[], bounds(10, None, 5)), [(0, 5)]);
        assert_eq!(asked(window(0, 4), &[], bounds(10, None, 3)), [(0, 4)], "our clock is behind");
    }

    #[test]
    fn only_what_is_missing_is_asked_and_small_holes_share_a_page() {
        let far = bounds(10, None, 1_000);
        let all: Vec<i64> = (0..=40).collect();
        assert_eq!(asked(window(0, 40), &all, far), []);
        let without = |holes: &[i64]| all.iter().copied().filter(|n| !holes.contains(n)).collect();
        let stored: Vec<i64> = without(&[3, 4, 9, 30, 31]);
        assert_eq!(asked(window(0, 40), &stored, far), [(30, 39), (3, 9)]);
        let plan = FetchPlan::new(
            window(0, 40),
            &stored.iter().map(|n| slot(*n)).collect::<Vec<_>>(),
            far,
        );
        let wanted: Vec<i64> = (0..=40).filter(|n| plan.wants(slot(*n))).collect();
        assert_eq!(wanted, [3, 4, 9, 30, 31]);
    }

    /// The questions that a venue is asked for the slots 0 to 8, of which 4 and 5 are stored. It has some slots, and shows so many rows.
    fn questions(there: &[i64], most: usize) -> Vec<(i64, i64)> {
        let plan = FetchPlan::new(window(0, 8), &[slot(4), slot(5)], bounds(12, None, 1_000));
        let page = plan.pages()[0];
        let (mut seen, mut looks, mut all) = (SeenSlots::default(), Looks::default(), Vec::new());
        let mut next = Some(page);
        while let Some(question) = next {
            all.extend(ends(&[question]));
            assert!(all.len() < 20, "{all:?}");
            let rows: Vec<SlotTs> = there.iter().map(|n| slot(*n)).collect();
            let rows: Vec<SlotTs> =
                rows.into_iter().filter(|row| question.contains(*row)).take(most).collect();
            let bar = Bar::new([1.0, 1.0, 1.0, 1.0, 1.0]).unwrap();
            let bars = rows.iter().map(|ts| TimedBar { ts: *ts, bar }).collect();
            let closed = seen.closed(Shown { bars, bad: Vec::new() }).bars;
            let before = seen.got.len();
            seen.got.extend(closed.iter().map(ClosedBar::ts).filter(|ts| plan.wants(*ts)));
            let ends = rows.first().copied().zip(rows.last().copied());
            looks.answered(question, ends, seen.got.len() > before);
            next = plan.rest(page, &seen, &looks);
        }
        all
    }

    #[test]
    fn what_a_page_did_not_bring_is_asked_again_before_it_is_believed_to_be_a_hole() {
        let whole: Vec<i64> = (0..12).collect();
        assert_eq!(questions(&whole, 99), [(0, 11)]);
        let holes: Vec<i64> = whole.iter().copied().filter(|n| ![2, 4, 6].contains(n)).collect();
        assert_eq!(questions(&holes, 99), [(0, 11), (2, 6)], "what is stored is no hole");
        assert_eq!(questions(&[], 99), [(0, 11), (0, 11)]);
        // It shows four rows at once: each question goes on where the answer before ended.
        assert_eq!(questions(&whole, 4), [(0, 11), (3, 11), (6, 11)]);
        assert_eq!(questions(&holes, 4), [(0, 11), (6, 11), (6, 6), (2, 6)]);
        // Its newest row is the newest of all, and proves itself to nobody.
        assert_eq!(questions(&whole[..9], 99), [(0, 11), (8, 11), (8, 11)]);
    }

    #[test]
    fn beyond_the_horizon_nothing_is_asked() {
        let near = bounds(10, Some(5), 20);
        let plan = FetchPlan::new(window(10, 19), &[slot(11)], near);
        assert_eq!(ends(plan.pages()), [(15, 20)]);
        let got: BTreeSet<SlotTs> = [15, 16].map(slot).into();
        let seen = SeenSlots { got, bad: [slot(18)].into(), newest: Some(slot(19)) };
        let lacks = plan.lacks(1, &seen);
        let told: Vec<_> = lacks.iter().map(|(why, run)| (*why, ends(&[*run])[0])).collect();
        let expected = [
            (LackReason::BeyondHorizon, (10, 10)),
            (LackReason::BeyondHorizon, (12, 14)),
            (LackReason::BadRow, (18, 18)),
            (LackReason::NoBar, (17, 17)),
            (LackReason::Unproven, (19, 19)),
        ];
        assert_eq!(told, expected);
        let unanswered = plan.lacks(0, &SeenSlots::default());
        assert_eq!(unanswered[2], (LackReason::NotAnswered, window(15, 19)));
    }

    #[test]
    fn c2_the_newest_bar_ever_seen_is_never_stored() {
        let bar = |n: i64| TimedBar {
            ts: slot(n),
            bar: Bar::new([1.0, 1.0, 1.0, 1.0, n as f64]).unwrap(),
        };
        let mut seen = SeenSlots::default();
        let mut stored = |answer: &[i64]| -> Vec<i64> {
            let bars = answer.iter().map(|n| bar(*n)).collect();
            let closed = seen.closed(Shown { bars, bad: Vec::new() });
            assert!(closed.bad.is_empty());
            closed.bars.iter().map(|bar| bar.ts().since(slot(0))).collect()
        };
        assert!(stored(&[]).is_empty());
        assert_eq!(stored(&[17, 18, 19]), [17, 18], "19 may be forming");
        assert_eq!(stored(&[11, 14]), [11, 14], "19 was seen before they were asked for");
        assert!(stored(&[]).is_empty());
        assert_eq!(stored(&[2]), [2]);
    }

    proptest! {
        #[test]
        fn every_missing_slot_is_in_exactly_one_page(
            stored in prop::collection::btree_set(0_i64..120, 0..120),
            page in 2_u32..30,
            forming in 100_i64..140,
        ) {
            let stored: Vec<SlotTs> = stored.into_iter().map(slot).collect();
            let plan = FetchPlan::new(window(0, 99), &stored, bounds(page, None, forming));
            for at in window(0, 99).iter() {
                let times = plan.pages().iter().filter(|page| page.contains(at)).count();
                if plan.wants(at) {
                    prop_assert_eq!(times, 1, "{}", at);
                }
                prop_assert!(times <= 1 && plan.wants(at) == stored.binary_search(&at).is_err());
            }
            for pair in plan.pages().windows(2) {
                prop_assert!(pair[1].last() < pair[0].first(), "newest first");
            }
            for page_window in plan.pages() {
                prop_assert!(page_window.slots() <= i64::from(page));
                prop_assert!(page_window.last() <= slot(forming).max(slot(99)));
            }
        }
    }
}
