//! A line of a crontab as a job in TOML.

use std::{collections::BTreeMap, fmt::Write as _};

use super::lines::{CrontabItem, CrontabLine, CrontabWhen};
use crate::domain::text::one_line;

/// Longest name of a job.
const NAME_MAX: usize = 56;
/// Longest description, in characters.
const ABOUT_MAX: usize = 200;
/// Programs that run another one: the name of that one says more.
const RUNNERS: [&str; 17] = [
    "env", "nice", "ionice", "sh", "bash", "dash", "python", "python2", "python3", "perl", "ruby",
    "node", "php", "sudo", "chronic", "nohup", "make",
];

/// A name for the job, from its program. The same crontab always gives the same names.
pub fn name(found: &CrontabItem, taken: &mut BTreeMap<String, u32>) -> String {
    let stem = |word: &str| {
        let file = word.rsplit('/').next().unwrap_or_default();
        let stem = file
            .split_once('.')
            .map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem });
        let safe = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let name: String = stem.chars().filter(|c| safe(*c)).take(NAME_MAX).collect();
        name.trim_start_matches(['_', '-']).to_owned()
    };
    // A text for a shell has its program somewhere in it, often behind the folder it goes to.
    let texts = found.argv.iter().filter(|word| !word.starts_with('-'));
    let words =
        texts.flat_map(|text| text.split([' ', ';', '&', '|'])).filter(|word| !word.is_empty());
    let mut is_folder = false;
    let mut programs = words.filter(|word| {
        let was_folder = std::mem::replace(&mut is_folder, *word == "cd");
        !was_folder && !is_folder && !word.starts_with('-')
    });
    let mut base = programs.next().map(stem).unwrap_or_default();
    while RUNNERS.contains(&base.as_str()) {
        let Some(better) = programs.next().map(stem).filter(|word| !word.is_empty()) else { break };
        base = better;
    }
    let base = if base.is_empty() { "job".to_owned() } else { base };
    let count = taken.entry(base.clone()).or_default();
    *count += 1;
    if *count == 1 { base } else { format!("{base}-{count}") }
}

pub fn toml(name: &str, line: &CrontabLine, found: &CrontabItem) -> String {
    let about = one_line(&line.text, ABOUT_MAX);
    let mut text = format!("# From line {} of a crontab.\n", line.number);
    if let Some(user) = &found.user {
        let user: String = user.chars().filter(|c| !c.is_control()).collect();
        let _ = writeln!(text, "# It ran as {user}; here it runs as the user of the service.");
    }
    let argv: Vec<String> = found.argv.iter().map(|word| quoted(word)).collect();
    let _ = write!(
        text,
        "manifest = 1\nname = {}\nkind = \"exec\"\ndescription = {}\n\n[exec]\nrun = [{}]\n",
        quoted(name),
        quoted(&about),
        argv.join(", ")
    );
    if let Some(home) = &found.home {
        let _ = writeln!(text, "workdir = {}", quoted(home));
    }
    if !found.env.is_empty() {
        text.push_str("\n[exec.env]\n");
        for (name, value) in &found.env {
            let _ = writeln!(text, "{name} = {}", quoted(value));
        }
    }
    text.push_str("\n[[schedule]]\n");
    match &found.when {
        CrontabWhen::Boot => text.push_str("on = \"boot\"\n"),
        CrontabWhen::Cron(cron, days) => {
            let _ = writeln!(text, "cron = {}", quoted(cron));
            let _ = writeln!(text, "timezone = {}", quoted(&found.zone.to_string()));
            if let Some(days) = days {
                let _ = writeln!(text, "day-match = {}", quoted(days));
            }
        }
    }
    text
}

/// A text in TOML that is not read as a reference.
fn quoted(text: &str) -> String {
    toml::Value::String(text.replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests {
    use super::{
        super::lines::{CrontabForm, read},
        *,
    };
    use crate::domain::zone::Zone;

    #[test]
    fn names_come_from_programs_and_are_counted() {
        let text = "*/10 * * * * /bin/bash -lc 'cd /srv/trade && make heartbeat >> log 2>&1'\n* * * * * /opt/x/back.up.sh\n* * * * * back -x\n* * * * * python3 -u /opt/load_bars.py\n* * * * * '...'\n";
        let mut taken = BTreeMap::new();
        let names: Vec<String> = read(text, CrontabForm::User, Zone::UTC, &|_| None)
            .lines
            .iter()
            .map(|line| name(line.found.as_ref().unwrap(), &mut taken))
            .collect();
        assert_eq!(names, ["heartbeat", "back", "back-2", "load_bars", "job"]);
    }
}
