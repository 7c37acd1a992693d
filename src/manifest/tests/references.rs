//! `${...}` in values, params of every type, secrets.

use super::{
    super::{Job, resolve::Resolved},
    BACKTEST, Case, EXEC,
};

/// A program whose argument is `text`.
fn echo(text: &str, rest: &str) -> Case {
    Case::new(&format!(
        "manifest = 1\nname = \"t\"\nkind = \"exec\"\n[exec]\nrun = [\"echo\", '{text}']\n{rest}"
    ))
}

fn argument(resolved: &Resolved) -> String {
    let Job::Exec(exec) = &resolved.manifest.job else { panic!("no program") };
    exec.run.get(1).cloned().unwrap_or_default()
}

#[test]
fn each_reference_is_filled() {
    for (text, want) in [
        ("${run.id}", "run_1"),
        ("${run.job}", "t"),
        ("${run.started}", "2023-11-14T22:13:20Z"),
        ("${run.started:%Y%m%d_%H%M%S}", "20231114_221320"),
        ("${env.A}", "a${run.id}"),
        ("${env.NOPE:-d}", "d"),
        ("${env.EMPTY:-d}", "d"),
        ("x-${env.NOPE:-}-y", "x--y"),
        ("$${run.id}", "${run.id}"),
        ("cost: 5$", "cost: 5$"),
        ("${params.s}/${params.n}", "p/3"),
    ] {
        let params = "[params.s]\ndefault = 'p'\n[params.n]\ntype = 'integer'\ndefault = 3\n";
        let case = echo(text, params).env("A", "a${run.id}").env("EMPTY", "");
        assert_eq!(argument(&case.good()), want, "{text}");
    }
}

#[test]
fn a_failed_reference_is_named_with_its_place() {
    for (text, want) in [
        ("a ${params.tga}", "jobs/t.toml:5:19: unknown param `tga` (did you mean `tag`?)"),
        (
            "${env.NOPE}",
            "the variable NOPE is not set (set it, or write a default: ${env.NOPE:-...})",
        ),
        ("${secrets.K}", "`${secrets.K}` may not stand here, where it would be shown"),
        ("${steps.a.out.b}", "`${steps.a.out.b}` may not stand here"),
        ("${prams.tag}", "unknown reference \"${prams.tag}\""),
        ("${params.tag", "`${` is not closed"),
        ("x${params.none}", "`${params.none}` has no value, and is inside a longer text"),
    ] {
        let case = echo(text, "[params.tag]\ndefault = 'x'\n[params.none]\n");
        assert!(case.says().contains(want), "{text}: {}", case.says());
    }
    assert!(
        echo("a", "[params.a]\ndefault = '${params.b}'\n[params.b]\n")
            .says()
            .contains("is in the default of a parameter")
    );
}

#[test]
fn a_whole_reference_takes_the_type_that_is_wanted() {
    let job = BACKTEST.replace("runid = \"r\"", "runid = \"r\"\nstart-ts-ms = \"${params.s}\"\nclose-at-end = \"${params.c}\"\nend-ts-ms = \"${env.END:-1679271000000}\"")
        + "[params.s]\ntype = \"integer\"\n[params.c]\ntype = \"boolean\"\ndefault = false\n";
    let case = Case::new(&job).p("s", "1679270700000").p("c", "yes");
    let Job::Backtest(backtest) = case.good().manifest.job else { panic!("no backtest") };
    assert_eq!(
        (backtest.start_ts_ms, backtest.end_ts_ms),
        (Some(1_679_270_700_000), Some(1_679_271_000_000))
    );
    assert!(backtest.backtest.close_at_end);
    let Job::Backtest(absent) = Case::new(&job).good().manifest.job else { panic!("no backtest") };
    assert_eq!((absent.start_ts_ms, absent.backtest.close_at_end), (None, false));
    let says = Case::new(&job).env("END", "soon").says();
    assert_eq!(
        says,
        "jobs/t.toml:15:13: `backtest.end-ts-ms` must be an integer, found the string \"soon\" (the value comes from env END)"
    );
}

#[test]
fn values_from_outside_are_checked_by_type_and_range() {
    for (declared, value, want) in [
        ("type = 'integer'", "x", "-p v: param `v`: must be an integer, found \"x\""),
        ("type = 'float'", "nan", "must be a number, found \"nan\""),
        ("type = 'boolean'", "on", "must be true, false, 1, 0, yes or no, found \"on\""),
        ("type = 'duration'", "20", "`20` has no unit"),
        (
            "type = 'time'",
            "2023-03-20",
            "`2023-03-20` is not a time: write RFC 3339 with an offset",
        ),
        (
            "enum = ['5m', '15m']",
            "5mm",
            "param `v` is \"5mm\", accepted are \"5m\", \"15m\" (did you mean `5m`?)",
        ),
        ("pattern = '^a+$'", "b", "param `v` is \"b\", which does not match ^a+$"),
        ("type = 'integer'\nmin = 1", "0", "param `v` is 0, at least 1 is accepted"),
        ("type = 'integer'\nmax = 9", "10", "param `v` is 10, at most 9 is accepted"),
        (
            "type = 'integer'\nmultiple-of = 300000",
            "299999",
            "param `v` is 299999, which is not a multiple of 300000 (the nearest are 0 and 300000)",
        ),
        ("type = 'duration'\nmax = '1h'", "2h", "param `v` is 2h, at most 1h is accepted"),
        (
            "type = 'time'\nmin = 2020-01-01T00:00:00Z",
            "2019-01-01T00:00:00Z",
            "at least 2020-01-01T00:00:00Z is accepted",
        ),
        ("type = 'integer'\ndefault = '3'", "", "must be an integer, found \"\""),
    ] {
        let case = echo("${params.v}", &format!("[params.v]\n{declared}\n")).p("v", value);
        assert!(case.says().contains(want), "{declared}: {}", case.says());
    }
    let case = echo("${params.v}", "[params.v]\ntype = 'integer'\ndefault = '3'\n");
    assert!(
        case.says().contains("the default must be an integer, found the string \"3\""),
        "{}",
        case.says()
    );
    let case = echo("${params.v}", "[params.v]\ntype = 'number'\n");
    assert!(case.says().contains("`params.v.type` is \"number\", accepted are"), "{}", case.says());
}

#[test]
fn a_missing_and_an_undeclared_param() {
    let case = echo("${params.path}", "[params.path]\ntype = 'path'\nrequired = true\nenv = 'P'\n");
    assert_eq!(
        case.says(),
        "jobs/t.toml:6:9: param `path` is required and has no value (give it with -p path=..., or set P)"
    );
    assert!(case.checks().is_ok());
    let says = case.p("pth", "x").says();
    assert!(says.contains("-p pth: unknown param \"pth\" (did you mean `path`?)"), "{says}");
    let says = Case::new(EXEC).p("tag", "x").says();
    assert!(says.contains("this job declares no params"), "{says}");
}

#[test]
fn secrets_reach_the_program_and_nobody_else() {
    let rest = "[exec.env]\nTOKEN = 'Bearer ${secrets.K}'\nFILE = '${secrets.F}'\nGONE = '${secrets.G}'\nPLAIN = 'p'\n\
        [secrets.K]\nfrom = 'env'\nname = 'MY_KEY'\n[secrets.F]\nfrom = 'file'\npath = '/run/f'\n\
        [secrets.G]\nfrom = 'env'\nname = 'NOPE'\nrequired = false\n";
    let case = echo("x", rest).env("MY_KEY", "hunter2").file("/run/f", "swordfish\n");
    let resolved = case.good();
    let Job::Exec(exec) = &resolved.manifest.job else { panic!("no program") };
    let env: Vec<_> = exec.env.iter().map(|(k, v)| (k.as_str(), v.reveal())).collect();
    assert_eq!(env, [("FILE", "swordfish"), ("PLAIN", "p"), ("TOKEN", "Bearer hunter2")]);
    let shown = format!("{resolved:?}{:?}{}", resolved.explain(), resolved.to_toml());
    assert!(!shown.contains("hunter2") && !shown.contains("swordfish"), "{shown}");
    assert!(resolved.to_toml().contains("TOKEN = \"***\""), "{}", resolved.to_toml());
    let says = echo("x", rest).says();
    assert!(says.contains("secret `K`: the variable MY_KEY is not set"), "{says}");
    assert!(says.contains("secret `F`: cannot read `/run/f`: no such file"), "{says}");
    assert!(echo("x", rest).checks().is_ok());
    let says = echo("x", "[secrets.K]\nfrom = 'env'\npath = 'x'\n").says();
    assert!(
        says.contains("secret `K` is kept in \"env\", so it has `name` and no `path`"),
        "{says}"
    );
}
