//! Variables of an `.env` file, and how they stand in a compose file.

use std::collections::BTreeMap;

/// Names and values. The values may be secrets: they are used and never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

impl Variables {
    /// Reads an `.env` file. A line that is no assignment is left out.
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text).into_owned();
        let pairs = text.lines().filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let name = name.trim();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_name = !name.is_empty() && name.chars().all(plain);
            is_name.then(|| (name.to_owned(), unquoted(value.trim())))
        });
        Self(pairs.collect())
    }

    /// Those that a text asks for, as the environment of a program. Names that could change the program itself are left out.
    pub fn asked_for(&self, text: &str) -> BTreeMap<String, String> {
        let harmless =
            |name: &str| !["LD_", "DOCKER_", "COMPOSE_"].iter().any(|s| name.starts_with(s));
        let asked =
            |name: &str| text.contains(&format!("${name}")) || text.contains(&format!("${{{name}"));
        let found = self.0.iter().filter(|(name, _)| harmless(name) && asked(name));
        found.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The text with its `$NAME` and `${NAME:-default}` filled in; `None` where that cannot be done for sure.
    pub fn fill(&self, text: &str) -> Option<String> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(more) = rest.strip_prefix('$') {
                out.push('$');
                rest = more;
            } else if let Some(more) = rest.strip_prefix('{') {
                let (inside, after) = more.split_once('}')?;
                out.push_str(&self.braced(inside)?);
                rest = after;
            } else {
                let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
                out.push_str(self.0.get(&rest[..end]).map_or("", String::as_str));
                rest = &rest[end..];
            }
        }
        out.push_str(rest);
        Some(out)
    }

    fn braced(&self, inside: &str) -> Option<String> {
        let end = inside.find(|c: char| !is_name(c)).unwrap_or(inside.len());
        let (name, how) = inside.split_at(end);
        let value = self.0.get(name).map(String::as_str);
        let filled = value.filter(|value| !value.is_empty());
        let text = match how {
            "" => value.unwrap_or_default(),
            // A default with variables in it is too clever for us.
            _ if how.contains('$') || name.is_empty() => return None,
            _ if how.starts_with(":-") => filled.unwrap_or(&how[2..]),
            _ if how.starts_with('-') => value.unwrap_or(&how[1..]),
            _ if how.starts_with(":?") => filled?,
            _ if how.starts_with('?') => value?,
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote))
        {
            return inside.to_owned();
        }
    }
    value.split(" #").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_and_filled_in() {
        let text =
            b"# c\nBIND=0.0.0.0\nexport PORT=\"88 88\"\nEMPTY=\nno line\nX='a' # c\nY=b # c\n";
        let variables = Variables::parse(text);
        for (text, filled) in [
            ("${BIND}:1", Some("0.0.0.0:1")),
            ("$BIND:1", Some("0.0.0.0:1")),
            ("${PORT}", Some("88 88")),
            ("${EMPTY:-d}${EMPTY-d}", Some("d")),
            ("${NONE:-127.0.0.1}", Some("127.0.0.1")),
            ("${NONE}", Some("")),
            ("${NONE:?must}", None),
            ("${NONE:-${X}}", None),
            ("${X}${Y}$$", Some("ab$")),
            ("${BIND", None),
            ("${BIND:+x}", None),
        ] {
            assert_eq!(variables.fill(text).as_deref(), filled, "{text}");
        }
        assert_eq!(format!("{variables:?}"), "5 variables");
        let odd = Variables::parse(b"LD_PRELOAD=x\nBIND=1\nOTHER=2\n");
        let asked = odd.asked_for("${BIND:-x} ${LD_PRELOAD} $THE");
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), [("BIND".to_owned(), "1".to_owned())]);
    }
}
