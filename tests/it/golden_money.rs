//! Golden rows of an account at its limits: ruin, cash, sizes; and of exits that passed while nothing was decided.

use mjolnir::{
    domain::{
        command::{Command, CommandKind},
        money::Money,
    },
    engine::{rules::Rules, slot::SlotMaker},
};
use rust_decimal::Decimal;

use crate::{
    golden::{check, check_with, rules, told},
    support::scripted::{At::*, EXIT, HOLD, LONG, PAST, SHORT, Scripted, plain_rules, slot},
};

/// A short of 1000 at 100, and the next bar is at 2500: 24 times the stake is lost, 14 000 more than there was.
#[test]
fn ruin_closes_the_position_halts_and_outlasts_resume() {
    let resume = Command {
        at: slot(5).close(),
        order: CommandKind::Resume,
        reason: "hope".into(),
        who: "op".into(),
    };
    let story = [
        Flat(100.0, SHORT),
        Flat(100.0, HOLD),
        Flat(2500.0, HOLD),
        Flat(2500.0, LONG),
        Flat(2500.0, LONG),
        Gone,
    ];
    check_with(
        told(None, None, None),
        plain_rules(),
        &story,
        SlotMaker::new(vec![resume.clone()]),
        "
        1 enter_short told_short - | flat - - | 10000 ACTIVE
        2 hold no_signal - | short 100 - | 10000 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short
        3 exit ruin risk:ruin | short 100 - | -14000 HALTED
        4 skip halted risk:ruin | flat - - | -14000 HALTED
          = 4 close short at 2500 for 10 fee 0 pnl -24000 kill_switch
        5 skip halted risk:ruin | flat - - | -14000 HALTED
        6 skip bar_missing risk:ruin | flat - - | -14000 HALTED
    ",
    );
    // With a stop it is over at the open; a reversal that costs everything enters nothing.
    check(
        told(Some(2.0), None, None),
        plain_rules(),
        &story[..3],
        "
        1 enter_short told_short - | flat - - | 10000 ACTIVE
        2 hold no_signal - | short 100 102 | 10000 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short
        3 skip halted risk:ruin | flat - - | -14000 HALTED
          = 3 close short at 2500 for 10 fee 0 pnl -24000 stop_gap
    ",
    );
    let reversal = [Flat(100.0, SHORT), Flat(100.0, LONG), Flat(1100.0, HOLD)];
    check(
        told(None, None, None),
        plain_rules(),
        &reversal,
        "
        1 enter_short told_short - | flat - - | 10000 ACTIVE
        2 enter_long told_long - | short 100 - | 10000 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short
        3 skip halted risk:ruin | flat - - | 0 HALTED
          = 3 close short at 1100 for 10 fee 0 pnl -10000 reversal
    ",
    );
}

#[test]
fn an_entry_beyond_the_equity_times_the_leverage_is_vetoed() {
    // 1000 are lost of 1500: the next position of 1000 needs twice what is left.
    let story = [Flat(100.0, SHORT), Flat(100.0, EXIT), Flat(200.0, LONG), Flat(200.0, LONG)];
    let poor = |leverage: i64| {
        rules(move |r| {
            r.cash = Money::new(Decimal::from(1_500));
            r.leverage = Decimal::from(leverage);
        })
    };
    let head = "
        1 enter_short told_short - | flat - - | 1500 ACTIVE
        2 exit told_exit - | short 100 - | 1500 ACTIVE
          = 2 open short at 100 for 10 fee 0 pnl 0 told_short";
    let closed = "= 3 close short at 200 for 10 fee 0 pnl -1000 exit_signal";
    let want = format!(
        "{head}
        3 hold told_long cash | flat - - | 500 ACTIVE
        {closed}
        4 hold told_long cash | flat - - | 500 ACTIVE"
    );
    check(told(None, None, None), poor(1), &story, &want);
    let want = format!(
        "{head}
        3 enter_long told_long - | flat - - | 500 ACTIVE
        {closed}
        4 hold told_long - | long 200 - | 500 ACTIVE
        = 4 open long at 200 for 5 fee 0 pnl 0 told_long"
    );
    check(told(None, None, None), poor(2), &story, &want);
}

#[test]
fn an_order_too_small_for_any_venue_is_vetoed_and_a_dear_one_is_filled() {
    let tiny = |r: &mut Rules| r.notional = Money::new(Decimal::new(1, 8));
    check(
        told(None, None, None),
        rules(tiny),
        &[Flat(42_000.0, LONG), Flat(42_000.0, SHORT)],
        "
        1 hold told_long size | flat - - | 10000 ACTIVE
        2 hold told_short size | flat - - | 10000 ACTIVE
    ",
    );
    check(
        told(None, None, None),
        plain_rules(),
        &[Flat(9e11, LONG), Flat(9e11, HOLD), Flat(9.9e11, HOLD)],
        "
        1 enter_long told_long - | flat - - | 10000 ACTIVE
        2 hold no_signal - | long 900000000000 - | 10000 ACTIVE
          = 2 open long at 900000000000 for 0.00000000111111111111 fee 0 pnl 0 told_long
        3 hold no_signal - | long 900000000000 - | 10100 ACTIVE
    ",
    );
}

/// Slots 4 to 6 cannot be decided. What should have ended the position there is seen at slot 7, and only there, and only once.
#[test]
fn an_exit_that_passed_while_nothing_was_decided_is_made_good_at_the_first_slot_that_is() {
    let rules = || rules(|r| r.cadence_bars = 3);
    let strategy = || Scripted { warm_up_bars: 3, ..told(None, None, None) };
    let start = [Flat(100.0, HOLD), Flat(100.0, HOLD), Flat(100.0, LONG), Gone];
    let head = "
        1 skip not_enough_bars - | flat - - | 10000 ACTIVE
        2 skip not_enough_bars - | flat - - | 10000 ACTIVE
        3 enter_long told_long - | flat - - | 10000 ACTIVE
        4 skip bar_missing - | flat - - | 10000 ACTIVE
        5 skip cadence_failed - | long 100 - | 10000 ACTIVE
          = 5 open long at 100 for 10 fee 0 pnl 0 told_long
        6 skip cadence_failed - | long 100 - | 10000 ACTIVE";
    let story = |rest: [f64; 2]| {
        let rest =
            [Flat(100.0, HOLD), Flat(100.0, EXIT), Flat(100.0, rest[0]), Flat(99.0, rest[1])];
        [&start[..], &rest].concat()
    };
    for (rest, tail) in [
        (
            [PAST, HOLD],
            "7 exit told_before - | long 100 - | 10000 ACTIVE
        8 hold no_signal - | flat - - | 9990 ACTIVE
          = 8 close long at 99 for 10 fee 0 pnl -10 exit_signal",
        ),
        // What does not stand any more is not made good; at a slot behind one that was decided the event itself counts.
        (
            [HOLD, PAST],
            "7 hold no_signal - | long 100 - | 10000 ACTIVE
        8 exit told_before - | long 100 - | 9990 ACTIVE",
        ),
        // What the rule says at that slot goes before.
        (
            [LONG, HOLD],
            "7 hold told_long - | long 100 - | 10000 ACTIVE
        8 hold no_signal - | long 100 - | 9990 ACTIVE",
        ),
    ] {
        check(strategy(), rules(), &story(rest), &format!("{head}\n{tail}"));
    }
}
