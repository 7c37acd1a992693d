//! Golden rows: small stories on irregular bars, each line checked by hand against the rules of the design.

use mjolnir::{
    domain::{
        command::{Command, CommandKind},
        decision::Degraded,
    },
    engine::{
        rules::{FillAt, OnTrip, Rules, StopFill},
        slot::SlotMaker,
    },
    language::Protection,
    setting::Dec,
};
use rust_decimal::Decimal;

use crate::support::scripted::{
    At::{self, *},
    BROKEN, EXIT, HOLD, LONG, SHORT, Scripted, plain_rules, play, slot,
};

pub(crate) fn told(stop: Option<f64>, target: Option<f64>, trail: Option<f64>) -> Scripted {
    let protection = Protection { stop, target, trail, ..Protection::default() };
    Scripted { protection, warm_up_bars: 1 }
}

pub(crate) fn rules(change: impl FnOnce(&mut Rules)) -> Rules {
    let mut rules = plain_rules();
    change(&mut rules);
    rules
}

pub(crate) fn check(strategy: Scripted, rules: Rules, story: &[At], want: &str) {
    check_with(strategy, rules, story, SlotMaker::default(), want);
}

pub(crate) fn check_with(
    strategy: Scripted,
    rules: Rules,
    story: &[At],
    maker: SlotMaker,
    want: &str,
) {
    let got = play(strategy, rules, story, maker);
    let tidy = |text: &str| {
        text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(tidy(&got), tidy(want), "\ngot:\n{got}");
}

#[test]
fn a_signal_fills_at_the_open_of_the_next_bar() {
    let story = [
        Flat(100.0, LONG),
        Bar([101.0, 103.0, 100.0, 102.0], HOLD),
        Flat(104.0, EXIT),
        Flat(105.0, HOLD),
    ];
    check(
        told(None, None, None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 101 - | 10009.90099009 ACTIVE
          = 2 open long at 101 for 9.90099009 fee 0 pnl 0 told_long
        3 exit told_exit - | long 101 - | 10029.70297027 ACTIVE
        4 hold no_signal - | flat - - | 10039.60396036 ACTIVE
          = 4 close long at 105 for 9.90099009 fee 0 pnl 39.60396036 exit_signal
    ",
    );
}

#[test]
fn a_signal_fills_at_its_own_close_when_told_so_and_the_stop_waits_for_the_next_bar() {
    // Bar 1 falls to 50 before its close: a position entered at that close must not be stopped by it.
    let story = [Bar([100.0, 110.0, 50.0, 100.0], LONG), Flat(99.0, HOLD), Flat(101.0, EXIT)];
    check(
        told(Some(2.0), None, None),
        rules(|r| r.fill_at = FillAt::Close),
        &story,
        "
        1 enter_long told_long - | long 100 98 | 10000 ACTIVE
          = 1 open long at 100 for 10 fee 0 pnl 0 told_long
        2 hold no_signal - | long 100 98 | 9990 ACTIVE
        3 exit told_exit - | flat - - | 10010 ACTIVE
          = 3 close long at 101 for 10 fee 0 pnl 10 exit_signal
    ",
    );
}

#[test]
fn the_stop_is_touched_inclusively_and_fills_at_the_stop() {
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Bar([99.0, 99.0, 98.0, 98.5], HOLD)];
    let want = "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | flat - - | 9980 ACTIVE
          = 3 close long at 98 for 10 fee 0 pnl -20 stop_hit
    ";
    check(told(Some(2.0), None, None), plain_rules(), &story, want);
    check(told(Some(2.0), None, None), rules(|r| r.stop_fill = StopFill::AtStop), &story, want);
}

#[test]
fn a_long_that_opens_below_its_stop_fills_by_the_rule() {
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Bar([95.0, 99.0, 94.0, 99.0], HOLD)];
    let head = "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long";
    check(
        told(Some(2.0), None, None),
        plain_rules(),
        &story,
        &format!(
            "{head}
        3 hold no_signal - | flat - - | 9950 ACTIVE
          = 3 close long at 95 for 10 fee 0 pnl -50 stop_gap"
        ),
    );
    check(
        told(Some(2.0), None, None),
        rules(|r| r.stop_fill = StopFill::AtStop),
        &story,
        &format!(
            "{head}
        3 hold no_signal - | flat - - | 9980 ACTIVE
          = 3 close long at 98 for 10 fee 0 pnl -20 stop_hit"
        ),
    );
}

#[test]
fn a_short_that_opens_above_its_stop_fills_by_the_rule() {
    let story = [Flat(100.0, SHORT), Flat(100.0, HOLD), Bar([105.0, 106.0, 101.0, 101.0], HOLD)];
    let head = "
        1 enter_short told_short - | flat - - | 10000 ACTIVE
        2 hold no_signal - | short 100 102 | 10000 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short";
    check(
        told(Some(2.0), None, None),
        plain_rules(),
        &story,
        &format!(
            "{head}
        3 hold no_signal - | flat - - | 9950 ACTIVE
          = 3 close short at 105 for 10 fee 0 pnl -50 stop_gap"
        ),
    );
    check(
        told(Some(2.0), None, None),
        rules(|r| r.stop_fill = StopFill::AtStop),
        &story,
        &format!(
            "{head}
        3 hold no_signal - | flat - - | 9980 ACTIVE
          = 3 close short at 102 for 10 fee 0 pnl -20 stop_hit"
        ),
    );
}

#[test]
fn stop_and_target_in_one_bar_take_the_stop_and_say_so() {
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Bar([100.0, 104.0, 97.0, 103.0], HOLD)];
    check(
        told(Some(2.0), Some(3.0), None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | flat - - | 9980 ACTIVE
          = 3 close long at 98 for 10 fee 0 pnl -20 stop_hit ambiguous
    ",
    );
}

#[test]
fn a_target_fills_at_the_target_or_where_the_bar_comes_nearest_to_it() {
    let head = "
        1 enter_short told_short - | flat - - | 10000 ACTIVE
        2 hold no_signal - | short 100 102 | 10000 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short";
    // It opens beyond the target and comes back to it; then it never comes back.
    for (prices, result) in [
        (
            [90.0, 98.0, 90.0, 91.0],
            "10030 ACTIVE\n = 3 close short at 97 for 10 fee 0 pnl 30 target_hit",
        ),
        (
            [90.0, 91.0, 90.0, 91.0],
            "10090 ACTIVE\n = 3 close short at 91 for 10 fee 0 pnl 90 target_hit",
        ),
    ] {
        let story = [Flat(100.0, SHORT), Flat(100.0, HOLD), Bar(prices, HOLD)];
        check(
            told(Some(2.0), Some(3.0), None),
            plain_rules(),
            &story,
            &format!("{head}\n3 hold no_signal - | flat - - | {result}"),
        );
    }
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Bar([110.0, 112.0, 108.0, 111.0], HOLD)];
    check(
        told(Some(2.0), Some(3.0), None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | flat - - | 10080 ACTIVE
          = 3 close long at 108 for 10 fee 0 pnl 80 target_hit
    ",
    );
}

/// A stop at 98 that the bar never comes back to was not to be had, whatever the rule.
#[test]
fn a_stop_that_the_bar_jumps_over_fills_at_the_open_under_both_rules() {
    for stop_fill in [StopFill::AtStop, StopFill::ThroughOpen] {
        for (order, prices, side, stop, result) in [
            (LONG, [95.0, 97.0, 94.0, 96.0], "long", 98, "9950 ACTIVE\n = 3 close long at 95"),
            (
                SHORT,
                [105.0, 106.0, 103.0, 104.0],
                "short",
                102,
                "9950 ACTIVE\n = 3 close short at 105",
            ),
        ] {
            let story = [Flat(100.0, order), Flat(100.0, HOLD), Bar(prices, HOLD)];
            check(
                told(Some(2.0), None, None),
                rules(|r| r.stop_fill = stop_fill),
                &story,
                &format!(
                    "
        1 enter_{side} told_{side} - | flat - - | 10000 ACTIVE
        2 hold no_signal - | {side} 100 {stop} | 10000 ACTIVE
          = 2 open {side} at 100 for 10 fee 0 pnl 0 told_{side}
        3 hold no_signal - | flat - - | {result} for 10 fee 0 pnl -50 stop_gap"
                ),
            );
        }
    }
}

/// The stop trails to 104 and the next bar opens at 101. At 104 it could only have been sold a bar ago.
#[test]
fn a_trailing_stop_under_at_stop_is_never_better_than_the_open() {
    let story = [
        Flat(100.0, LONG),
        Bar([100.0, 105.0, 99.5, 104.5], HOLD),
        Bar([101.0, 104.5, 100.0, 104.0], HOLD),
    ];
    check(
        told(None, None, Some(1.0)),
        rules(|r| r.stop_fill = StopFill::AtStop),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 104 | 10045 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | flat - - | 10010 ACTIVE
          = 3 close long at 101 for 10 fee 0 pnl 10 stop_gap
    ",
    );
}

#[test]
fn a_trailing_stop_tests_the_level_known_before_the_bar_and_then_moves() {
    let story = [
        Flat(100.0, LONG),
        Bar([100.0, 105.0, 99.0, 104.0], HOLD), // low 99 is under 105 - 3, but that level was not known yet
        Bar([104.0, 104.0, 102.5, 103.0], HOLD), // survives 102; high 104 does not raise it
        Bar([103.0, 103.0, 102.0, 102.5], HOLD),
    ];
    check(
        told(None, None, Some(3.0)),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 102 | 10040 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | long 100 102 | 10030 ACTIVE
        4 hold no_signal - | flat - - | 10020 ACTIVE
          = 4 close long at 102 for 10 fee 0 pnl 20 stop_hit
    ",
    );
}

#[test]
fn an_entry_can_be_stopped_inside_its_own_bar() {
    let story = [Flat(100.0, LONG), Bar([100.0, 101.0, 97.0, 100.0], HOLD)];
    check(
        told(Some(2.0), None, None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | flat - - | 9980 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
          = 2 close long at 98 for 10 fee 0 pnl -20 stop_hit
    ",
    );
}

#[test]
fn a_reversal_closes_and_opens_at_the_same_price() {
    let story = [Flat(100.0, LONG), Flat(100.0, SHORT), Flat(110.0, HOLD)];
    check(
        told(None, None, None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 enter_short told_short - | long 100 - | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold no_signal - | short 110 - | 10100 ACTIVE
          = 3 close long at 110 for 10 fee 0 pnl 100 reversal
          = 3 open short at 110 for 9.09090909 fee 0 pnl 0 told_short
    ",
    );
}

#[test]
fn fees_on_both_sides_and_slippage_on_market_fills_but_not_on_targets() {
    let costs = |r: &mut Rules| {
        r.fee_bps = Decimal::from(10);
        r.slippage_bps = Decimal::from(100);
    };
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Flat(111.0, HOLD)];
    check(
        told(None, Some(10.0), None),
        rules(costs),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 101 - | 9989.09900991 ACTIVE
          = 2 open long at 101 for 9.90099009 fee 1 pnl -1 told_long
        3 hold no_signal - | flat - - | 10096.910891 ACTIVE
          = 3 close long at 111 for 9.90099009 fee 1.0990099 pnl 97.910891 target_hit
    ",
    );
}

#[test]
fn cooldown_blocks_the_slot_of_the_stop_and_those_after_it() {
    let story = [
        Flat(100.0, LONG),
        Bar([100.0, 100.0, 97.0, 100.0], LONG),
        Flat(100.0, LONG),
        Flat(100.0, LONG),
    ];
    check(
        told(Some(2.0), None, None),
        rules(|r| r.limits.cooldown_bars = 2),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold told_long cooldown | flat - - | 9980 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
          = 2 close long at 98 for 10 fee 0 pnl -20 stop_hit
        3 hold told_long cooldown | flat - - | 9980 ACTIVE
        4 enter_long told_long - | flat - - | 9980 ACTIVE
    ",
    );
}

#[test]
fn a_tripped_limit_latches_until_resume_and_lets_exits_pass() {
    let resume = Command {
        at: slot(5).close(),
        order: CommandKind::Resume,
        reason: "looked into it".into(),
        who: "op".into(),
    };
    let story = [
        Flat(100.0, LONG),
        Bar([100.0, 100.0, 97.0, 100.0], LONG),
        Flat(100.0, LONG),
        Flat(100.0, LONG),
        Flat(100.0, LONG),
    ];
    let limit = |r: &mut Rules| r.limits.consecutive_stops_max = Some(1);
    check_with(
        told(Some(2.0), None, None),
        rules(limit),
        &story,
        SlotMaker::new(vec![resume]),
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold told_long risk:consecutive_stops | flat - - | 9980 REDUCING
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
          = 2 close long at 98 for 10 fee 0 pnl -20 stop_hit
        3 hold told_long risk:consecutive_stops | flat - - | 9980 REDUCING
        4 hold told_long risk:consecutive_stops | flat - - | 9980 REDUCING
        5 enter_long told_long - | flat - - | 9980 ACTIVE
    ",
    );
}

#[test]
fn losing_too_much_of_the_peak_or_of_the_day_trips_and_a_vetoed_reversal_still_exits() {
    let story = [Flat(100.0, LONG), Flat(100.0, HOLD), Flat(90.0, SHORT), Flat(90.0, SHORT)];
    let want = |limit: &str| {
        format!(
            "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 - | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 exit told_short risk:{limit} | long 100 - | 9900 REDUCING
        4 hold told_short risk:{limit} | flat - - | 9900 REDUCING
          = 4 close long at 90 for 10 fee 0 pnl -100 exit_signal
    "
        )
    };
    let drawdown = rules(|r| r.limits.drawdown_max_pct = Some(Dec::new(Decimal::ONE)));
    check(told(None, None, None), drawdown, &story, &want("drawdown"));
    let daily = rules(|r| r.limits.daily_loss_max = Some(Dec::new(Decimal::from(100))));
    check(told(None, None, None), daily, &story, &want("daily_loss"));
}

#[test]
fn a_limit_that_halts_skips_but_the_stop_goes_on_protecting() {
    let story = [
        Flat(100.0, LONG),
        Flat(100.0, HOLD),
        Flat(99.0, EXIT),
        Bar([99.0, 99.0, 97.0, 98.0], HOLD),
    ];
    let halts = |r: &mut Rules| {
        r.limits.drawdown_max_pct = Some(Dec::new(Decimal::new(1, 1)));
        r.limits.on_trip = OnTrip::Halt;
    };
    check(
        told(Some(2.0), None, None),
        rules(halts),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 skip halted - | long 100 98 | 9990 HALTED
        4 skip halted - | flat - - | 9980 HALTED
          = 4 close long at 98 for 10 fee 0 pnl -20 stop_hit
    ",
    );
}

#[test]
fn size_and_number_of_trades_are_limited() {
    let story = [Flat(100.0, LONG), Flat(100.0, EXIT), Flat(100.0, LONG)];
    let once = |r: &mut Rules| r.limits.trades_per_day_max = Some(1);
    check(
        told(None, None, None),
        rules(once),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 exit told_exit - | long 100 - | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 hold told_long risk:trades_per_day | flat - - | 10000 ACTIVE
          = 3 close long at 100 for 10 fee 0 pnl 0 exit_signal
    ",
    );
    let small = |r: &mut Rules| r.limits.position_max = Some(Dec::new(Decimal::from(999)));
    check(
        told(None, None, None),
        rules(small),
        &story[..1],
        "
        1 hold told_long risk:max_position | flat - - | 10000 ACTIVE
    ",
    );
}

#[test]
fn operators_halt_flatten_reduce_and_resume() {
    let at = |n: i64, order| Command {
        at: slot(n).close(),
        order,
        reason: String::new(),
        who: String::new(),
    };
    let orders =
        vec![at(3, CommandKind::Flatten), at(5, CommandKind::Resume), at(6, CommandKind::Reduce)];
    let story = [
        Flat(100.0, LONG),
        Flat(100.0, HOLD),
        Flat(101.0, HOLD),
        Flat(102.0, LONG),
        Flat(100.0, LONG),
        Flat(100.0, EXIT),
        Flat(100.0, LONG),
    ];
    check_with(
        told(None, None, None),
        plain_rules(),
        &story,
        SlotMaker::new(orders),
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 - | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 exit kill_switch - | long 100 - | 10010 HALTED
        4 skip halted - | flat - - | 10020 HALTED
          = 4 close long at 102 for 10 fee 0 pnl 20 kill_switch
        5 enter_long told_long - | flat - - | 10020 ACTIVE
        6 exit told_exit - | long 100 - | 10020 REDUCING
          = 6 open long at 100 for 10 fee 0 pnl 0 told_long
        7 hold told_long risk:operator | flat - - | 10020 REDUCING
          = 7 close long at 100 for 10 fee 0 pnl 0 exit_signal
    ",
    );
}

#[test]
fn features_that_cannot_be_used_skip_with_their_reason_and_stops_run_on() {
    let strategy = Scripted { warm_up_bars: 3, ..told(Some(2.0), None, None) };
    let story = [
        Flat(100.0, LONG),
        Flat(100.0, LONG),
        Flat(100.0, LONG),
        Flat(100.0, BROKEN),
        Gone,
        Flat(100.0, EXIT),
        Bar([99.0, 99.0, 98.0, 98.0], LONG),
        Flat(98.0, HOLD),
    ];
    check(
        strategy,
        rules(|r| r.cadence_bars = 3),
        &story,
        "
        1 skip not_enough_bars - | flat - - | 10000 ACTIVE
        2 skip not_enough_bars - | flat - - | 10000 ACTIVE
        3 enter_long told_long - | flat - - | 10000 ACTIVE
        4 skip features_invalid - | long 100 98 | 10000 ACTIVE
          = 4 open long at 100 for 10 fee 0 pnl 0 told_long
        5 skip bar_missing - | long 100 98 | 10000 ACTIVE
        6 skip cadence_failed - | long 100 98 | 10000 ACTIVE
        7 skip cadence_failed - | flat - - | 9980 ACTIVE
          = 7 close long at 98 for 10 fee 0 pnl -20 stop_hit
        8 hold no_signal - | flat - - | 9980 ACTIVE
    ",
    );
}

#[test]
fn a_bar_that_comes_late_fills_and_stops_at_its_own_slot() {
    let late = Some(([100.0, 100.0, 97.0, 99.0], HOLD));
    for (cause, reason) in
        [(Degraded::FetchFailed, "fetch_failed"), (Degraded::PersistFailed, "persist_failed")]
    {
        let story =
            [Flat(100.0, LONG), Degraded(cause, late), Degraded(cause, None), Flat(99.0, HOLD)];
        check(
            told(Some(2.0), None, None),
            plain_rules(),
            &story,
            &format!(
                "
            1 enter_long told_long - | flat - - | 10000 ACTIVE
            2 skip {reason} - | flat - - | 10000 ACTIVE
            3 skip {reason} - | flat - - | 10000 ACTIVE
            4 hold no_signal - | flat - - | 9980 ACTIVE
              = 2 open long at 100 for 10 fee 0 pnl 0 told_long
              = 2 close long at 98 for 10 fee 0 pnl -20 stop_hit
        "
            ),
        );
    }
}

#[test]
fn an_order_waits_through_a_hole_for_the_next_bar() {
    check(
        told(None, None, None),
        plain_rules(),
        &[Flat(100.0, LONG), Gone, Gone, Flat(103.0, HOLD)],
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 skip bar_missing - | flat - - | 10000 ACTIVE
        3 skip bar_missing - | flat - - | 10000 ACTIVE
        4 hold no_signal - | long 103 - | 10000 ACTIVE
          = 4 open long at 103 for 9.70873786 fee 0 pnl 0 told_long
    ",
    );
}

#[test]
fn catch_up_that_observes_suppresses_entries_and_keeps_exits() {
    let seen = |price: f64, order| Degraded(Degraded::CatchupNoEntry, Some(([price; 4], order)));
    let story = [
        Flat(100.0, LONG),
        seen(100.0, HOLD),
        seen(101.0, SHORT),
        seen(102.0, LONG),
        seen(102.0, HOLD),
    ];
    check(
        told(None, None, None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 - | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 exit told_short catchup | long 100 - | 10010 ACTIVE
        4 skip catchup_no_entry - | flat - - | 10020 ACTIVE
          = 4 close long at 102 for 10 fee 0 pnl 20 exit_signal
        5 hold no_signal - | flat - - | 10020 ACTIVE
    ",
    );
}

#[test]
fn with_catch_up_off_nothing_is_decided_but_stops_run() {
    let down = |prices| Degraded(Degraded::Downtime, Some((prices, LONG)));
    let story =
        [Flat(100.0, LONG), Flat(100.0, HOLD), down([100.0, 100.0, 98.0, 99.0]), down([99.0; 4])];
    check(
        told(Some(2.0), None, None),
        plain_rules(),
        &story,
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 100 98 | 10000 ACTIVE
          = 2 open long at 100 for 10 fee 0 pnl 0 told_long
        3 skip downtime - | flat - - | 9980 ACTIVE
          = 3 close long at 98 for 10 fee 0 pnl -20 stop_hit
        4 skip downtime - | flat - - | 9980 ACTIVE
    ",
    );
}
