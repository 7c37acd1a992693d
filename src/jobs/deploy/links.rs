//! Where links lead: a link that leaves the tree would make a deploy write, or a program read, somewhere else.

use super::{
    inventory::{Inventory, Kind},
    names::parents,
};

/// Links that are followed before it counts as going round in circles.
const FOLLOWED_MAX: u32 = 40;

/// Whether a link of the tree leads out of it, directly or through other links. One that leads nowhere inside does not.
pub fn escapes(tree: &Inventory, path: &[u8]) -> bool {
    let Some(entry) = tree.get(path).filter(|entry| entry.kind == Kind::Link) else { return false };
    let mut here: Vec<Vec<u8>> = super::names::parent(path)
        .map(|parent| parent.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect())
        .unwrap_or_default();
    let mut todo = steps(&entry.link);
    let mut followed = 0;
    if entry.link.starts_with(b"/") {
        return true;
    }
    while let Some(step) = todo.pop() {
        match step.as_slice() {
            b"" | b"." => {}
            b".." => {
                if here.pop().is_none() {
                    return true;
                }
            }
            name => {
                here.push(name.to_vec());
                let at = here.join(&b'/');
                let Some(next) = tree.get(&at).filter(|entry| entry.kind == Kind::Link) else {
                    continue;
                };
                followed += 1;
                if next.link.starts_with(b"/") || followed > FOLLOWED_MAX {
                    return true;
                }
                here.pop();
                todo.extend(steps(&next.link));
            }
        }
    }
    false
}

/// The steps of a link, the last one first.
fn steps(link: &[u8]) -> Vec<Vec<u8>> {
    link.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

/// The folder on the way to a path that is a link on the target; `None` when there is none.
pub fn link_on_the_way<'p>(target: &Inventory, path: &'p [u8]) -> Option<&'p [u8]> {
    parents(path).find(|parent| target.get(parent).is_some_and(|entry| entry.kind == Kind::Link))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: &[(&str, &str)]) -> Inventory {
        let mut output = b"d 755 0 0 1 1.5 1 \0\0d 755 0 0 1 1.5 1 sub\0\0".to_vec();
        for (path, link) in links {
            output.extend(format!("l 777 0 0 1 1.5 1 {path}\0{link}\0").bytes());
        }
        Inventory::parse(&output).unwrap()
    }

    #[test]
    fn links_that_leave_the_tree_are_told_from_those_that_stay() {
        for (links, path, out) in [
            (&[("l", "a")][..], "l", false),
            (&[("sub/l", "../a/b")], "sub/l", false),
            (&[("sub/l", "../../a")], "sub/l", true),
            (&[("l", "/etc/passwd")], "l", true),
            (&[("l", "..")], "l", true),
            (&[("l", "sub/../..")], "l", true),
            (&[("l", "m/x"), ("m", "sub")], "l", false),
            (&[("l", "m/x"), ("m", "/etc")], "l", true),
            (&[("sub/l", "../m/.."), ("m", "sub")], "sub/l", false),
            (&[("l", "m"), ("m", "l")], "l", true),
            (&[("l", "./a/./b")], "l", false),
        ] {
            assert_eq!(escapes(&tree(links), path.as_bytes()), out, "{links:?}");
        }
        assert!(!escapes(&tree(&[]), b"sub"));
    }

    #[test]
    fn a_link_on_the_way_is_seen() {
        let target = tree(&[("ops", "../elsewhere")]);
        assert_eq!(link_on_the_way(&target, b"ops/deep/file"), Some(&b"ops"[..]));
        assert_eq!(link_on_the_way(&target, b"ops"), None);
        assert_eq!(link_on_the_way(&target, b"sub/x"), None);
    }
}
