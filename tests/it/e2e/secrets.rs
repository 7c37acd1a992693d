//! Secrets are covered when they are written: whoever shows it later need not know them.

use mjolnir::store::runs::RunState;

use crate::{
    serve::fixture::{empty, end, serve, until_count},
    support::runner::Root,
};

/// A job that prints secrets in several ways, as soon as the service starts.
const JOB: &str = r#"
manifest = 1
name = "s"
kind = "exec"
[secrets.KEY]
from = "file"
path = "key.txt"
[secrets.TOKEN]
from = "env"
name = "SVC_TOKEN"
[exec]
run = ["/bin/sh", "-c", """
echo "$KEY"; echo "$KEY" | sed 's/^/    /'; echo "$KEY" >&2; echo "$TOKEN"
printf canary-; sleep 0; echo value-9; echo "$TOKEN" | base64; printf '%s' "user:$TOKEN" | base64
printf '{"key": "%s"}' "$(echo "$KEY" | tail -1)"; echo; echo done
"""]
env = { KEY = "${secrets.KEY}", TOKEN = "${secrets.TOKEN}" }
[[schedule]]
on = "start"
"#;
/// What must be nowhere. The last two are what `base64` prints of the token, alone and behind `user:`.
const CANARIES: [&str; 5] =
    ["first-half", "second-half", "canary-value", "Y2FuYXJ5LXZhbHVl", "dXNlcjpjYW5hcnktdmFsdWU"];

fn root() -> Root {
    let root = empty();
    root.write("key.txt", "first-half-0001\n  second-half-0002\n");
    root.write("jobs/s.toml", JOB);
    root
}

fn clean(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in\n{text}");
    }
}

#[test]
fn nothing_that_a_run_of_the_service_leaves_holds_a_secret() {
    let root = root();
    let service = serve(&root, "").env("SVC_TOKEN", "canary-value-9").start();
    until_count(&root, "s", RunState::Succeeded, 1);
    end(service);
    for (path, text) in root.files("data") {
        assert!(CANARIES.iter().all(|canary| !text.contains(canary)), "{path}");
    }
    let shown = root.run("logs s --output").ok();
    assert!(shown.stdout.contains("done\n") && shown.stdout.contains("    ***\n"), "{shown}");
    let with = root.call("logs s --output").env("SVC_TOKEN", "canary-value-9").run().ok();
    assert_eq!(shown.stdout, with.stdout, "it is the same with and without the secret");
    clean(&root.run("logs s --output --json").ok().stdout);
}

#[test]
fn a_run_by_hand_prints_no_secret() {
    let root = root();
    let ran = root.call("run s").env("SVC_TOKEN", "canary-value-9").run().ok();
    clean(&ran.to_string());
    ran.prints(&["***\n    ***\n", "{\"key\": \"  ***\"}", "done\n"]).says(&["***"]);
    let json = root.call("run s --json").env("SVC_TOKEN", "canary-value-9").run().ok();
    clean(&json.to_string());
    assert_eq!(json.json()["out"]["exit"], "0");
}

/// A program may leave another one behind that holds its streams: it is not waited for without end.
#[test]
fn a_run_ends_although_a_grandchild_holds_its_streams() {
    let root = root();
    let job = JOB.replace("echo done\n", "echo done; setsid sleep 100 &\n");
    root.write("jobs/s.toml", &job);
    root.call("run s")
        .env("SVC_TOKEN", "canary-value-9")
        .run()
        .code(0)
        .warns(&["processes left behind: 1; they are ended"])
        .prints(&["done\n"]);
}

#[test]
fn blanks_of_a_secret_survive_and_its_last_line_end_does_not() {
    let root = empty();
    let job = "manifest = 1\nname = 's'\nkind = 'exec'\n[secrets.PW]\nfrom = 'file'\npath = 'pw.txt'\n\
               [exec]\nrun = ['/bin/sh', '-c', 'printf \"%s\" \"$PW\" | od -An -c']\n[exec.env]\nPW = '${secrets.PW}'\n";
    root.write("jobs/s.toml", job);
    for (text, seen) in
        [("pw  \n", "p w"), ("pw\t\r\n", "p w \\t"), ("\n pw\n\n", "\\n p w \\n"), ("pw", "p w")]
    {
        root.write("pw.txt", text);
        let ran = root.run("run s").ok();
        let words: Vec<&str> = ran.stdout.split_whitespace().collect();
        assert_eq!(words.join(" "), seen, "{text:?}");
        let blanks = if text == "pw  \n" { 4 } else { 0 };
        let length = job.replace("od -An -c", "wc -c");
        root.write("jobs/t.toml", &length.replace("name = 's'", "name = 't'"));
        if blanks > 0 {
            assert_eq!(root.run("run t").ok().stdout.trim(), "4");
        }
    }
}
