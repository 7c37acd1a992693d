//! Links between the documents: each file and each heading that one points to exists.

use std::{collections::BTreeMap, path::Path};

use super::{ALL, exists, prose, text};

/// The anchors that Markdown makes of the headings of a text.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let prose = prose(text);
    let titles = prose.lines().filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.strip_prefix(' '))?
    });
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    titles
        .map(|title| {
            let slug: String = title.to_lowercase().chars().filter(kept).collect();
            let slug = slug.replace(' ', "-");
            let count = seen.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
        })
        .collect()
}

/// Where the links of a text point to, outside of code.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let starts = prose.split("](").skip(1);
    starts.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// What is wrong with a link in a document.
fn problem(doc: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(doc).parent().unwrap();
    let mut file =
        if path.is_empty() { doc.to_owned() } else { folder.join(path).display().to_string() };
    if let Some(above) = path.strip_prefix("../") {
        file = above.to_owned();
    }
    if !exists(&file) {
        return Some(format!("{doc}: {target}: {file} does not exist"));
    }
    let known = anchor.is_empty() || anchors(&text(&file)).iter().any(|known| known == anchor);
    (!known).then(|| format!("{doc}: {target}: {file} has no such heading"))
}

#[test]
fn every_link_leads_to_a_heading() {
    let mut seen = 0;
    let mut problems = Vec::new();
    for doc in ALL {
        for target in targets(&text(doc)) {
            seen += 1;
            problems.extend(problem(doc, &target));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 150, "only {seen} links: are they still read?");
}

#[test]
fn broken_links_are_found() {
    for (target, is_broken) in [
        ("JOBS.md", false),
        ("JOBS.md#exit-codes", false),
        ("JOBS.md#heartbeat-1", false),
        ("docs/RULES.md#two", true),
        ("NONE.md", true),
        ("#status", false),
        ("#statu", true),
    ] {
        assert_eq!(problem("HANDOFF.md", target).is_some(), is_broken, "{target}");
    }
    assert!(problem("docs/LIMITS.md", "../HANDOFF.md#limits").is_none());
    assert_eq!(anchors("# A b\n## A `b`!\n```sh\n# no\n```\n"), ["a-b", "a-b-1"]);
}
