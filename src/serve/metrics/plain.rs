//! The numbers in the older text format of Prometheus, 0.0.4, for whoever does not ask for OpenMetrics.

use std::{collections::BTreeMap, fmt::Write as _};

/// Names of this format end in what kind of number they are; an OpenMetrics family does not.
struct Kind {
    /// Its name in this format.
    name: &'static str,
    /// What the name of a family has in addition.
    ending: &'static str,
}

/// The kind of an OpenMetrics family.
fn kind(word: &str) -> Kind {
    let (name, ending) = match word {
        "counter" => ("counter", "_total"),
        "gauge" => ("gauge", ""),
        "histogram" => ("histogram", ""),
        "info" => ("gauge", "_info"),
        _ => ("untyped", ""),
    };
    Kind { name, ending }
}

/// The same families and samples. Samples are written alike in both formats; what is said about a family is not.
pub fn from_openmetrics(text: &str) -> String {
    let said = |line: &'_ str, what: &str| -> Option<(String, String)> {
        let (family, rest) =
            line.strip_prefix("# ")?.strip_prefix(what)?.trim_start().split_once(' ')?;
        Some((family.to_owned(), rest.to_owned()))
    };
    let kinds: BTreeMap<String, String> =
        text.lines().filter_map(|line| said(line, "TYPE ")).collect();
    let mut out = String::new();
    for line in text.lines() {
        let of = |family: &str| kind(kinds.get(family).map_or("", String::as_str));
        if let Some((family, help)) = said(line, "HELP ") {
            let help = help.replace("\\\"", "\"");
            let _ = writeln!(out, "# HELP {family}{} {help}", of(&family).ending);
        } else if let Some((family, _)) = said(line, "TYPE ") {
            let Kind { name, ending } = of(&family);
            let _ = writeln!(out, "# TYPE {family}{ending} {name}");
        } else if !line.starts_with('#') {
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right side is what the description of the format 0.0.4 shows for the left side of OpenMetrics.
    #[test]
    fn counters_and_infos_carry_their_ending_and_units_and_the_end_are_left_out() {
        let text = "# HELP a_runs Runs said \\\"done\\\".\n# TYPE a_runs counter\na_runs_total{job=\"x\"} 3\n\
                    # HELP a_build The build.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\n# UNIT a_age_seconds seconds\na_age_seconds 0.5\n\
                    # TYPE a_took histogram\na_took_sum 1.0\na_took_count 1\na_took_bucket{le=\"+Inf\"} 1\n# EOF\n";
        let plain = "# HELP a_runs_total Runs said \"done\".\n# TYPE a_runs_total counter\na_runs_total{job=\"x\"} 3\n\
                     # HELP a_build_info The build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                     # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\na_age_seconds 0.5\n\
                     # TYPE a_took histogram\na_took_sum 1.0\na_took_count 1\na_took_bucket{le=\"+Inf\"} 1\n";
        assert_eq!(from_openmetrics(text), plain);
    }
}
