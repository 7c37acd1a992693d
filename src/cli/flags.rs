//! The flags that several verbs have, read in one place: which tag, which time, who, and why.

use std::{collections::BTreeMap, path::Path};

use super::load::{environment, variables};
use crate::{
    domain::{ids::Tag, time::UtcMs},
    exit::Exit,
    jobs::{commands::CommandTime, context::Failure},
};

/// The variable that names a tag.
pub const DATA_TAG: &str = "DATA_TAG";

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// A time that a flag gives, such as `--at`.
pub fn time(flag: &str, text: Option<&String>) -> Result<Option<UtcMs>, Failure> {
    let read = text.map(|text| text.parse::<UtcMs>()).transpose();
    read.map_err(|error| usage(format!("--{flag}: {error}")))
}

/// When an order takes effect: `--at`, which also knows `now` and `next`.
pub fn when(at: Option<&String>) -> Result<CommandTime, Failure> {
    match at.map(String::as_str) {
        None | Some("now") => Ok(CommandTime::Now),
        Some("next") => Ok(CommandTime::Next),
        Some(text) => {
            let read = text.parse().map(CommandTime::At);
            read.map_err(|error| usage(format!("--at: {error}, `now` or `next`")))
        }
    }
}

/// The tag that `--tag` names, if it is given.
pub fn tag_if_given(text: Option<&String>) -> Result<Option<Tag>, Failure> {
    let read = text.map(|text| text.parse::<Tag>()).transpose();
    read.map_err(|error| usage(format!("--tag: {error}")))
}

/// The tag that `--tag` names, or else the variable DATA_TAG of the box.
pub fn tag(root: &Path, text: Option<&String>) -> Result<Tag, Failure> {
    if let Some(tag) = tag_if_given(text)? {
        return Ok(tag);
    }
    let named = variables(root)?.remove(DATA_TAG).filter(|tag| !tag.is_empty());
    let named = named.ok_or_else(|| {
        usage(format!(
            "which tag? give --tag, or set {DATA_TAG}, here or in the file .env of the box"
        ))
    })?;
    named.parse().map_err(|error| usage(format!("{DATA_TAG}: {error}")))
}

/// The reason that `--reason` gives: an order without one helps nobody later.
pub fn reason(text: &str) -> Result<&str, Failure> {
    if text.trim().is_empty() {
        return Err(usage("--reason is empty: say why, others will read it".to_owned()));
    }
    Ok(text)
}

/// Who gives an order: `--who`, or else the user of this process.
pub fn who(given: Option<&String>) -> String {
    person(given, &environment())
}

/// Behind `sudo` it is the person who called that; `root` alone says nothing about who it was.
fn person(given: Option<&String>, env: &BTreeMap<String, String>) -> String {
    let variables = ["SUDO_USER", "USER", "LOGNAME"];
    let named = variables.iter().filter_map(|name| env.get(*name)).find(|name| !name.is_empty());
    let person = given.filter(|name| !name.trim().is_empty()).or(named);
    person.cloned().unwrap_or_else(|| "operator".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_was_is_the_one_who_is_named_or_who_called_sudo_or_the_user() {
        let env = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let ann = "ann".to_owned();
        for (given, pairs, person_is) in [
            (Some(&ann), &[("USER", "root")][..], "ann"),
            (None, &[("USER", "root"), ("SUDO_USER", "bob")], "bob"),
            (None, &[("USER", "root")], "root"),
            (None, &[("SUDO_USER", ""), ("LOGNAME", "eva")], "eva"),
            (None, &[], "operator"),
            (Some(&" ".to_owned()), &[], "operator"),
        ] {
            assert_eq!(person(given, &env(pairs)), person_is, "{pairs:?}");
        }
    }

    #[test]
    fn times_and_tags_are_refused_with_the_name_of_their_flag() {
        let text = |text: &str| text.to_owned();
        assert_eq!(time("at", None), Ok(None));
        assert_eq!(time("from", Some(&text("0"))), Ok(Some(UtcMs::EPOCH)));
        let refused = time("to", Some(&text("noon"))).unwrap_err().message;
        assert!(refused.starts_with("--to: `noon` is not a time"), "{refused}");
        let refused = when(Some(&text("noon"))).unwrap_err().message;
        assert!(
            refused.starts_with("--at: `noon`") && refused.ends_with(", `now` or `next`"),
            "{refused}"
        );
        assert_eq!(when(Some(&text("next"))), Ok(CommandTime::Next));
        assert!(tag_if_given(Some(&text("../x"))).unwrap_err().message.starts_with("--tag: "));
    }
}
