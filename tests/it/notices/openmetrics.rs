//! A strict reader of the OpenMetrics text format: what it does not refuse, a scraper can read.

use std::collections::{BTreeMap, BTreeSet};

/// Samples by their name with labels, sorted, as in `up{job="x",tag="y"}`.
pub type Samples = BTreeMap<String, f64>;

/// Reads a text, or says what is wrong with which line.
pub fn read(text: &str) -> Result<Samples, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with `# EOF`")?;
    let mut reader = Reader::default();
    for line in body.lines() {
        reader.line(line).map_err(|why| format!("{why}: {line}"))?;
    }
    reader.end_of_family()?;
    Ok(reader.samples)
}

#[derive(Default)]
struct Reader {
    /// The family the lines belong to: name and type.
    family: Option<(String, String)>,
    seen: BTreeSet<String>,
    samples: Samples,
    /// Buckets of the family, by labels without `le`, in the order of the text.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help")?;
            self.end_of_family()?;
            if !is_name(name) || help.is_empty() || !self.seen.insert(name.to_owned()) {
                return Err("a family with a bad name, without help, or in two places".to_owned());
            }
            self.family = Some((name.to_owned(), String::new()));
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            let known = ["counter", "gauge", "histogram", "info"].contains(&kind);
            return match &mut self.family {
                Some((family, empty)) if family == name && empty.is_empty() && known => {
                    kind.clone_into(empty);
                    Ok(())
                }
                _ => Err("a type without its help, or of no known kind".to_owned()),
            };
        }
        if line.starts_with('#') {
            return Err("a comment that is none".to_owned());
        }
        self.sample(line)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_at(line.find(['{', ' ']).ok_or("no value")?);
        let (mut labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels_of(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = value.strip_prefix(' ').ok_or("no blank before the value")?;
        let value: f64 = value.parse().map_err(|_| "no number")?;
        let (family, kind) = self.family.as_ref().ok_or("a sample without a family")?;
        let suffix = name.strip_prefix(family.as_str()).ok_or("a sample of another family")?;
        let fits = match kind.as_str() {
            "counter" => suffix == "_total" && value >= 0.0,
            "info" => suffix == "_info" && value == 1.0,
            "gauge" => suffix.is_empty() && !family.ends_with("_total"),
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => false,
        };
        if !fits || !is_name(name) {
            return Err(format!("no sample of a {kind}"));
        }
        let whole = shown(name, &labels);
        if suffix == "_bucket" {
            let le = labels.remove("le").ok_or("a bucket without its bound")?;
            let le =
                if le == "+Inf" { f64::INFINITY } else { le.parse().map_err(|_| "no bound")? };
            self.buckets.entry(shown(family, &labels)).or_default().push((le, value));
        }
        match self.samples.insert(whole, value) {
            None => Ok(()),
            Some(_) => Err("a sample that was there before".to_owned()),
        }
    }

    fn end_of_family(&mut self) -> Result<(), String> {
        for (of, buckets) in std::mem::take(&mut self.buckets) {
            let rises = buckets.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
            let count = match of.split_once('{') {
                Some((name, labels)) => format!("{name}_count{{{labels}"),
                None => format!("{of}_count"),
            };
            let last = buckets.last().copied();
            if !rises || last != self.samples.get(&count).map(|count| (f64::INFINITY, *count)) {
                return Err(format!("the buckets of {of} do not add up: {buckets:?}"));
            }
        }
        match self.family.take() {
            Some((name, kind)) if kind.is_empty() => Err(format!("{name} has no type")),
            _ => Ok(()),
        }
    }
}

/// Reads `a="b",c="d"}` and returns what follows.
fn labels_of(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') {
            return Err(format!("`{name}` is no name of a label"));
        }
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().ok_or("a value without an end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next().ok_or("an escape without a letter")?.1 {
                    'n' => value.push('\n'),
                    c @ ('"' | '\\') => value.push(c),
                    _ => return Err("an escape that is none".to_owned()),
                },
                (_, c) => value.push(c),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("two labels `{name}`"));
        }
        let after = &after[end + 1..];
        if let Some(done) = after.strip_prefix('}') {
            return Ok((labels, done));
        }
        rest = after.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain)
}

fn shown(name: &str, labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
    if pairs.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", pairs.join(",")) }
}

#[test]
fn what_no_scraper_reads_is_refused() {
    let good = "# HELP a Help.\n# TYPE a counter\na_total{x=\"1\"} 2\n# EOF\n";
    assert_eq!(read(good).unwrap(), BTreeMap::from([("a_total{x=\"1\"}".to_owned(), 2.0)]));
    for (from, to) in [
        ("# EOF\n", ""),
        ("a_total{", "a{"),
        ("a_total{", "b_total{"),
        ("} 2", "}2"),
        ("} 2", "} two"),
        ("} 2", "} -2"),
        ("x=\"1\"", "x=\"1"),
        ("x=\"1\"", "x=\"\\q\""),
        ("x=\"1\"", "x=\"1\",x=\"2\""),
        ("x=\"1\"", "x-y=\"1\""),
        (" counter", " number"),
        ("# TYPE a counter\n", ""),
        ("# HELP a Help.\n", ""),
        ("# EOF", "a_total{x=\"1\"} 3\n# EOF"),
        ("# EOF", "# HELP a Help.\n# TYPE a counter\n# EOF"),
        ("# EOF", "# HELP b Help.\n# TYPE b histogram\nb_bucket{le=\"+Inf\"} 3\nb_count 2\n# EOF"),
    ] {
        assert!(read(&good.replace(from, to)).is_err(), "{from} -> {to}");
    }
}
