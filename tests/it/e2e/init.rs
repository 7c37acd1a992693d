//! `runner init`: the box it makes works as it says, nothing is overwritten, and what it is told wrongly leaves nothing behind.

use crate::support::{runner::Root, skip::have};

const FLAGS: &str =
    "--exchange binance --symbol ETH/USDT --timeframe 15m --strategy donchian --tag eth";

#[test]
fn what_init_says_to_type_next_works() {
    let root = Root::new();
    let made = root.run(&format!("init own {FLAGS} --json")).ok().json();
    let offline = made["next"]["made_up"].as_array().expect("commands");
    assert_eq!(offline.len(), 3);
    for command in offline {
        let args =
            command.as_str().expect("text").strip_prefix("runner ").expect("a command of runner");
        root.run(&format!("{args} --root own")).ok();
    }
    root.run("run eqflat -P made-up --root own").ok().prints(&["Result: PASS"]);
    root.run("run report -P made-up --root own").ok();
    root.run("check --root own").ok().prints(&["manifests are valid"]);
    // Those with the venue are not run here; they are read as they will be.
    for command in made["next"]["venue"].as_array().expect("commands") {
        let args = command.as_str().expect("text").strip_prefix("runner run ").expect("a run");
        let shown = root.run(&format!("show {args} --root own")).ok();
        shown.prints(&["exchange = \"binance\"", "symbol = \"ETH/USDT\"", "timeframe = \"15m\""]);
    }
    let explained = root.run("explain live --root own").ok();
    explained.prints(&["live.tag", "eth", "donchian.toml"]);
}

#[test]
fn a_folder_that_is_in_use_stays_as_it_is() {
    let root = Root::new();
    root.run(&format!("init own {FLAGS}")).ok().prints(&["own: 46 files of a box were written"]);
    root.write("own/jobs/mine.toml", "mine");
    let before = root.files("own");
    root.run(&format!("init own {FLAGS}"))
        .code(1)
        .says(&["jobs, profiles, strategies, .env", "overwrites nothing"]);
    assert_eq!(root.files("own"), before);
    // A repository that has a README is no reason not to begin.
    root.write("repo/README.md", "ours");
    root.write("repo/.gitignore", "/target\n");
    root.run(&format!("init repo {FLAGS}"))
        .ok()
        .prints(&["README.md was there", "add the lines /data and /.env"]);
    assert_eq!(root.read("repo/README.md"), "ours");
    assert_eq!(root.read("repo/.gitignore"), "/target\n");
    root.run("list --root repo").ok();
}

#[test]
fn wrong_answers_are_named_and_nothing_is_written() {
    let root = Root::new();
    root.write("file", "");
    for (args, says) in [
        ("init own", "give --exchange, --symbol, --timeframe, --strategy, --tag"),
        ("init own --exchange nowhere --yes", "--exchange: `nowhere` is not a venue"),
        ("init own --symbol BTCUSD --yes", "--symbol: symbol `BTCUSD`"),
        ("init own --timeframe 7m --yes", "--timeframe: "),
        (
            "init own --strategy model --yes",
            "--strategy: `model` is not a strategy that is shipped",
        ),
        (
            "init own --exchange kraken --timeframe 2h --yes",
            "--timeframe: the venue has no bars of 2h: use one of 1m",
        ),
        ("init own --tag ../up --yes", "--tag: "),
        ("init file --yes", "is not a folder"),
    ] {
        root.run(args).code(2).says(&[says]);
        assert!(!root.at("own").exists(), "{args}");
    }
}

/// The first command to type is the one into the box.
#[test]
fn a_folder_with_an_odd_name_can_be_entered_as_it_is_said_and_one_that_cannot_be_typed_is_refused()
{
    let root = Root::new();
    for name in ["we ird", "it's", "a$HOME;b", "-dash"] {
        let made = root.call("init --yes --").arg(name).run().ok();
        let (_, next) = made.stdout.split_once("next, there:\n  ").expect("what to type");
        let enter = next.lines().next().expect("a line");
        let inside = root.shell(&format!("{enter} && pwd")).code(0);
        assert_eq!(inside.stdout.trim_end(), root.at(name).display().to_string());
    }
    let runner = env!("CARGO_BIN_EXE_runner");
    for name in [r"new\nline", r"esc\033[31m", r"not-utf8\377"] {
        for json in ["", "--json"] {
            let said =
                root.shell(&format!("{runner} init --yes {json} \"$(printf '{name}')\"")).code(2);
            assert!(said.stderr.contains("name another folder") || json == "--json", "{said}");
        }
    }
    assert!(
        root.list(".")
            .iter()
            .all(|name| !["new", "esc", "not"].iter().any(|odd| name.starts_with(odd)))
    );
}

#[test]
fn what_was_written_is_taken_back_when_the_rest_cannot_be() {
    let root = Root::new();
    // A link that leads nowhere has the name of the last file, and looks as if nothing was there.
    root.write("own/notes.txt", "mine");
    root.shell("ln -s /nowhere/at/all own/README.md").ok();
    root.run(&format!("init own {FLAGS}")).code(74).says(&["own/README.md"]);
    assert_eq!(root.list("own"), ["README.md", "notes.txt"]);
}

#[test]
fn questions_are_asked_on_a_terminal_until_the_answers_can_be_used() {
    if !have("script") {
        return;
    }
    let root = Root::new();
    let runner = env!("CARGO_BIN_EXE_runner");
    // The second venue can be asked, the empty answers are the usual values.
    let answers = r"nowhere\nokx\nBTC/USDT\n\n\nmine\n";
    let line = format!("printf '{answers}' | script -qec '{runner} init own' /dev/null");
    let said = root.shell(&line).code(0);
    said.prints(&[
        "(binance binanceus ",
        "exchange [kraken]:",
        "`nowhere` is not a venue",
        "strategy [ema_atr]:",
        "with okx BTC/USDT 5m:",
    ]);
    assert!(root.read("own/.env").contains("DATA_TAG=mine\nCCXT_EXCHANGE=okx\n"));
}
