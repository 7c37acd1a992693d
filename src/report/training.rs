//! The page about one training: its table and its picture.

use maud::{PreEscaped, html};

use super::page::whole;

/// What the page shows.
pub struct TrainingPage<'a> {
    /// Name of the models.
    pub name: &'a str,
    /// The model that was published.
    pub model: &'a str,
    /// One line.
    pub summary: &'a str,
    /// What people read on a terminal.
    pub text: &'a str,
    /// The picture, an SVG of our own.
    pub picture: &'a str,
    /// The build.
    pub build: &'a str,
}

/// The whole page.
pub fn training_page(training: &TrainingPage<'_>) -> String {
    let TrainingPage { name, model, summary, text, picture, build } = training;
    let body = html! {
        header {
            p.kind { "training" }
            h1 { bdi { (name) } " " bdi { (model) } }
            section.stamp aria-label="summary" { p { (summary) } }
        }
        main {
            section #text { h2 { "What it says" } div.wide tabindex="0" role="group" aria-label="the table" { pre { (text) } } }
            section #picture {
                h2 { "The same as a picture" }
                figure.sheet { div role="img" aria-label="losses, calibration, each fold against its baselines, and the money on bars that no model had seen" { (PreEscaped(picture)) } }
            }
        }
        footer { p { "Build " (build) "." } }
    };
    whole(&format!("{name} {model}, training"), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_table_as_text_and_the_picture_as_it_is() {
        let html = training_page(&TrainingPage {
            name: "n<b>",
            model: "m",
            summary: "3 folds",
            text: "a < b",
            picture: "<svg><path d=\"M0 0\"/></svg>",
            build: "b",
        });
        assert!(html.contains("n&lt;b&gt;") && html.contains("a &lt; b"), "{html}");
        assert!(html.contains("<svg><path d=\"M0 0\"/></svg>"), "{html}");
        assert!(!html.contains("<script") && !html.contains("http"), "{html}");
    }
}
