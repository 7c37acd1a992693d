//! As much of YAML as `docker-compose.yml` is written in: blocks by indentation, anchors, and merges of whole blocks.

use std::collections::BTreeMap;

/// The keys of a block, each with its text: what stands behind the colon and all lines below it.
pub type Block = BTreeMap<String, String>;

/// A file of the project.
pub fn text(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The services of a compose file by name, blocks they merge filled in.
pub fn services(yaml: &str) -> BTreeMap<String, Block> {
    let top = block(yaml);
    let anchored: BTreeMap<String, Block> = top
        .values()
        .filter_map(|body| {
            let (name, lines) = body.strip_prefix('&')?.split_once('\n')?;
            Some((name.trim().to_owned(), block(lines)))
        })
        .collect();
    let merged = |body: &str| {
        let own = block(body);
        let Some(name) = own.get("<<").and_then(|name| name.strip_prefix('*')) else { return own };
        let mut whole = anchored.get(name.trim()).cloned().unwrap_or_default();
        whole.extend(own);
        whole
    };
    let services = block(top.get("services").map_or("", String::as_str));
    services.into_iter().map(|(name, body)| (name, merged(&body))).collect()
}

/// The items of a list: `- a` lines, or `[a, b]` on one line. Items with keys of their own are returned with all their lines.
pub fn items(list: &str) -> Vec<String> {
    if let Some(flow) = list.trim().strip_prefix('[') {
        let flow = flow.trim_end_matches(']');
        return flow.split(',').map(|item| unquoted(item).to_owned()).collect();
    }
    let mut found: Vec<String> = Vec::new();
    let depth = list.lines().find(|line| !line.trim().is_empty()).map_or(0, indent);
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        match line.trim_start().strip_prefix("- ").filter(|_| indent(line) == depth) {
            Some(item) => found.push(unquoted(item).to_owned()),
            None => found.last_mut().into_iter().for_each(|last| {
                last.push('\n');
                last.push_str(line.trim());
            }),
        }
    }
    found
}

/// A text without the quotes around it.
pub fn unquoted(text: &str) -> &str {
    text.trim().trim_matches('"')
}

/// The keys at the smallest depth of a text.
pub fn block(text: &str) -> Block {
    let lines: Vec<&str> = text.lines().filter(|line| !is_remark(line)).collect();
    let depth = lines.first().map_or(0, |line| indent(line));
    let mut found = Block::new();
    let mut last: Option<String> = None;
    for line in lines {
        let key = line.trim().split_once(':').filter(|_| indent(line) == depth);
        if let Some((key, rest)) = key.filter(|(key, _)| !key.starts_with('-')) {
            found.insert(key.to_owned(), rest.trim().to_owned());
            last = Some(key.to_owned());
        } else if let Some(body) = last.as_ref().and_then(|key| found.get_mut(key)) {
            body.push('\n');
            body.push_str(line);
        }
    }
    for body in found.values_mut() {
        *body = body.trim_start_matches('\n').to_owned();
    }
    found
}

fn is_remark(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn services_are_read_with_what_they_merge() {
    let yaml = "x-a: &a\n  user: root # not a remark of its own\n  ports:\n    - \"1:2\"\n\n# A remark.\nservices:\n  one:\n    <<: *a\n    command: [\"run\", \"x\"]\n    volumes:\n      - type: bind\n        source: ./data\n      - ./b:/b\n  two:\n    <<: *a\n    user: \"7\"\n";
    let services = services(yaml);
    assert_eq!(services.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(unquoted(&services["two"]["user"]), "7", "what a service says itself wins");
    assert!(services["one"]["user"].starts_with("root"));
    assert_eq!(items(&services["one"]["ports"]), ["1:2"]);
    assert_eq!(items(&services["one"]["command"]), ["run", "x"]);
    assert_eq!(items(&services["one"]["volumes"]), ["type: bind\nsource: ./data", "./b:/b"]);
}
