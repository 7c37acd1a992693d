//! The program `runner`.

use std::{
    panic,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::Duration,
};

use mjolnir::{
    cli::{
        approve::approve,
        args::{Cli, DeployPart, Verb},
        check::check,
        commands::{commands, give_command, revoke},
        compare::compare,
        completions::{answer_shell, completions, man},
        crontab::import_crontab,
        deploy::{deploy, init, plan},
        doctor::doctor,
        explain::explain,
        features::{features, functions},
        history::history,
        home,
        init::init_box,
        list::list,
        logs::logs,
        mcp::mcp,
        next::next,
        notify::notify,
        output::say,
        pause::pause,
        reference::{reference, schema},
        refuse::tell,
        reload::reload,
        resume::resume,
        retry::retry,
        rewind::rewind,
        serve::serve,
        shard::shard,
        show::show,
        status::status,
        stop::stop,
        sweep::sweep,
        verify::verify,
        why::why,
        worker::fit,
    },
    domain::command::CommandKind,
    exit::Exit,
    os::{process_tree, signals::wake_on_children},
    run::run,
};

/// Between two looks for orphans, when no signal tells of one.
const ORPHANS: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    answer_shell();
    let cli = home::arguments();
    if process_tree::is_first() {
        reap_orphans();
    }
    let work = panic::AssertUnwindSafe(|| dispatch(&cli));
    panic::catch_unwind(work).unwrap_or_else(|_| {
        say("error: this is a bug in runner; the lines above say where. Nothing was left half-written: start again");
        ExitCode::from(Exit::Bug.code())
    })
}

/// Waits for orphans as they end, for as long as this process lives.
fn reap_orphans() {
    let (tell, told) = sync_channel(1);
    // When it was told already, once more says nothing new. Without signals it looks now and then.
    let wakes = wake_on_children({
        let tell = tell.clone();
        move || {
            let _ = tell.try_send(());
        }
    });
    if let Err(error) = wakes {
        say(&format!("warning: ended orphans are noticed late: {error}"));
    }
    std::thread::spawn(move || {
        let _open = tell;
        while !matches!(told.recv_timeout(ORPHANS), Err(RecvTimeoutError::Disconnected)) {
            process_tree::reap();
        }
    });
}

fn dispatch(cli: &Cli) -> ExitCode {
    let json = cli.json;
    let here = home::here().unwrap_or_else(|_| PathBuf::from("."));
    let root = match home::root(cli.root.as_deref(), &here) {
        Ok(root) => root,
        Err(failure) if home::is_for_a_box(&cli.verb) => {
            return ExitCode::from(tell(&failure, json).code());
        }
        Err(_) => PathBuf::from("."),
    };
    let root = root.as_path();
    let exit = match &cli.verb {
        Verb::Init(args) => init_box(cli.root.as_deref(), args, json),
        Verb::Run(args) => return run(root, args, json),
        Verb::Check { paths, values } => check(root, (paths, values), json),
        Verb::Explain(args) => explain(root, args, json),
        Verb::List => list(root, json),
        Verb::Show(args) => show(root, args, json),
        Verb::Schema { of } => schema(*of),
        Verb::Next(args) => next(root, args, json),
        Verb::Notify(args) => notify(root, args, json),
        Verb::Status => status(root, json),
        Verb::History(args) => history(root, args, json),
        Verb::Logs(args) => logs(root, args, json),
        Verb::Stop(args) => stop(root, args, json),
        Verb::Retry(args) => return retry(root, args, json),
        Verb::Approve(args) => approve(root, args, json),
        Verb::Pause(args) => pause(root, args, json),
        Verb::Rewind(args) => rewind(root, args, json),
        Verb::ImportCrontab(args) => import_crontab(root, args, json),
        Verb::Sweep { part } => sweep(root, part, json),
        Verb::Verify { proof } => verify(root, proof, json),
        Verb::Halt(args) => give_command(root, CommandKind::Halt, args, json),
        Verb::Reduce(args) => give_command(root, CommandKind::Reduce, args, json),
        Verb::Resume(args) => resume(root, args, json),
        Verb::Flatten(args) => give_command(root, CommandKind::Flatten, args, json),
        Verb::Commands(args) => commands(root, args, json),
        Verb::Revoke(args) => revoke(root, args, json),
        Verb::Compare(args) => compare(root, args, json),
        Verb::Why(args) => why(root, args, json),
        Verb::Features(args) => features(root, args, json),
        Verb::Functions { name } => functions(name.as_deref(), json),
        Verb::Reference => reference(json),
        Verb::Plan(args) => return plan(root, args, json),
        Verb::Deploy(args) => match &args.part {
            Some(DeployPart::Init(args)) => init(root, args, json),
            None => return deploy(root, args, json),
        },
        Verb::Doctor(values) => doctor(root, values, json),
        Verb::Serve(args) => serve(root, args, json),
        Verb::Mcp => mcp(root, json),
        Verb::Reload => reload(root, json),
        Verb::Completions { shell } => completions(*shell),
        Verb::Man { verb } => man(verb.as_deref()),
        Verb::Shard(args) => shard(args),
        Verb::Fit { spec } => fit(spec),
    };
    ExitCode::from(exit.code())
}
