//! The frame of a picture and what is drawn inside: SVG that stretches with the page while its letters and strokes do not.
//!
//! The outer picture has no view box: places along it are percentages, heights are pixels. Lines are in an inner picture of 10,000
//! units that is stretched.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{
    axis::{Range, Tick},
    pyramid::PyramidPoint,
};

/// Units of the inner picture from left to right.
const WIDE: f64 = 10_000.0;

/// A word behind this many units is written to the left of its place: on a narrow screen it would be cut.
const NEAR_THE_END: f64 = 9_000.0;

/// Where numbers lie in a picture.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// From left to right.
    pub x: Range,
    /// From bottom to top.
    pub y: Range,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Space {
    /// Units from the left of the inner picture.
    pub fn across(&self, x: f64) -> f64 {
        (self.x.place(x) * WIDE).clamp(0.0, WIDE)
    }

    /// Percent from the left, for what is not stretched.
    pub fn percent(&self, x: f64) -> String {
        format!("{:.2}%", self.across(x) / WIDE * 100.0)
    }

    /// Pixels from the top.
    pub fn down(&self, y: f64) -> f64 {
        let height = f64::from(self.height);
        ((1.0 - self.y.place(y)) * height).clamp(0.0, height)
    }

    /// A line through points.
    pub fn path(&self, points: &[PyramidPoint]) -> String {
        let mut text = String::with_capacity(points.len() * 11);
        let mut before = String::new();
        for (n, (x, y)) in points.iter().enumerate() {
            let at = format!("{:.0} {:.1}", self.across(*x as f64), self.down(*y));
            if at != before {
                let _ = write!(text, "{}{at}", if n == 0 { 'M' } else { 'L' });
                before = at;
            }
        }
        text
    }

    /// The area between a line and a level.
    pub fn area(&self, points: &[PyramidPoint], level: f64) -> String {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return String::new();
        };
        let base = self.down(level);
        let [from, to] = [first, last].map(|at| self.across(at.0 as f64));
        let line = self.path(points);
        format!("M{from:.0} {base:.1}L{}L{to:.0} {base:.1}Z", line.trim_start_matches('M'))
    }

    /// Dots: strokes without length, which their caps make round or square.
    pub fn dots(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut text = String::new();
        for (x, y) in points {
            let _ = write!(text, "M{:.0} {:.1}h.1", self.across(x), self.down(y));
        }
        text
    }

    /// Upright strokes from a level.
    pub fn bars(&self, points: impl IntoIterator<Item = (f64, f64)>, level: f64) -> String {
        let base = self.down(level);
        let mut text = String::new();
        for (x, y) in points {
            let _ = write!(text, "M{:.0} {base:.1}V{:.1}", self.across(x), self.down(y));
        }
        text
    }
}

/// One entry of a legend: the class of its sign, the shape of it, and its words.
pub type Key = (&'static str, Sign, String);

/// What a legend shows before the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A line.
    Line,
    /// A dashed line.
    Dashes,
    /// An area.
    Area,
    /// A shape of [`shapes`], by its id.
    Shape(&'static str),
}

/// Shapes that pictures place by their id, once per page.
pub fn shapes() -> Markup {
    html! {
        svg.shapes width="0" height="0" aria-hidden="true" {
            defs {
                path id="up" d="M0-5L5 4H-5Z" {}
                path id="down" d="M0 5L5-4H-5Z" {}
                path id="cross" d="M-4-4L4 4M4-4L-4 4" {}
                path id="dot" d="M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z" {}
                path id="box" d="M-3.5-3.5H3.5V3.5H-3.5Z" {}
            }
        }
    }
}

/// One picture with everything around it.
pub struct Picture {
    /// Its id, unique on the page.
    pub id: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it shows, in a sentence with numbers.
    pub says: String,
    /// Where numbers lie in it.
    pub space: Space,
    /// Along the bottom.
    pub x_ticks: Vec<Tick>,
    /// What the numbers along the bottom are, where they are not times.
    pub x_name: Option<&'static str>,
    /// Along the left.
    pub y_ticks: Vec<Tick>,
    /// What the numbers along the left are.
    pub y_name: String,
    /// Stretched: paths of the inner picture.
    pub inside: Markup,
    /// Not stretched: shapes and words over it.
    pub over: Markup,
    /// The legend; empty where there is one line only.
    pub keys: Vec<Key>,
    /// The same as a table.
    pub table: Markup,
}

impl Picture {
    /// The picture with its sentence, its legend and its table.
    pub fn shown(&self) -> Markup {
        html! {
            figure {
                (self.svg())
                (legend(&self.keys))
                figcaption { (self.says) }
                details {
                    summary { "The numbers as a table" }
                    (self.table)
                }
            }
        }
    }

    /// The picture alone.
    pub fn svg(&self) -> Markup {
        let height = self.space.height;
        let (title, words) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let top = self.y_ticks.iter().map(|(value, _)| self.space.down(*value));
        let many = self.x_ticks.len();
        // On a narrow screen every second name is left out, and so is that before one which ends at its tick.
        let ends = |n: usize| self.space.across(self.x_ticks[n].0) > NEAR_THE_END;
        let is_minor =
            |n: usize| many > 4 && (n % 2 == 1 || (many > 6 && n + 2 < many && ends(n + 2)));
        html! {
            p.axis { (self.y_name) }
            svg.plot role="img" aria-labelledby=(format!("{title} {words}")) height=(height + 24 + if self.x_name.is_some() { 16 } else { 0 }) {
                title id=(title) { (self.title) }
                desc id=(words) { (self.says) }
                @for (y, (_, text)) in top.zip(&self.y_ticks) {
                    line.grid x1="0" x2="100%" y1=(pixels(y)) y2=(pixels(y)) {}
                    text.y x="-7" y=(pixels(y + 4.0)) { (text) }
                }
                @for (n, (value, text)) in self.x_ticks.iter().enumerate() {
                    @let at = self.space.percent(*value);
                    line.tick x1=(at) x2=(at) y1=(height) y2=(height + 5) {}
                    text.x.minor[is_minor(n)].end[ends(n)] x=(at) y=(height + 18) { (text) }
                }
                @if let Some(name) = self.x_name {
                    text.x.name x="50%" y=(height + 35) { (name) }
                }
                svg x="0" y="0" width="100%" height=(height) viewBox=(format!("0 0 {WIDE} {height}")) preserveAspectRatio="none" {
                    (self.inside)
                }
                (self.over)
            }
        }
    }
}

/// Pixels with one decimal.
pub fn pixels(value: f64) -> String {
    format!("{value:.1}")
}

fn legend(keys: &[Key]) -> Markup {
    html! {
        @if !keys.is_empty() {
            ul.legend {
                @for (class, sign, words) in keys {
                    li {
                        svg width="22" height="12" aria-hidden="true" {
                            @match sign {
                                Sign::Line => path.line.(class) d="M0 6H22" {},
                                Sign::Dashes => path.line.dashes.(class) d="M0 6H22" {},
                                Sign::Area => path.(class) d="M0 1H22V11H0Z" {},
                                Sign::Shape(id) => use.(class) href=(format!("#{id}")) x="11" y="6" {},
                            }
                        }
                        (words)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        let range = Range { low: 0.0, high: 10.0 };
        Space { x: range, y: range, height: 100 }
    }

    #[test]
    fn numbers_lie_where_they_belong() {
        let space = space();
        assert_eq!(space.path(&[(0, 0.0), (5, 10.0), (10, 2.5)]), "M0 100.0L5000 0.0L10000 75.0");
        assert_eq!(
            space.path(&[(0, 1.0), (0, 1.0)]),
            "M0 90.0",
            "a place that is taken is left out"
        );
        assert_eq!(
            space.area(&[(0, 5.0), (10, 5.0)], 0.0),
            "M0 100.0L0 50.0L10000 50.0L10000 100.0Z"
        );
        assert_eq!(space.area(&[], 0.0), "");
        assert_eq!(space.dots([(5.0, 5.0)]), "M5000 50.0h.1");
        assert_eq!(space.bars([(1.0, 10.0)], 5.0), "M1000 50.0V0.0");
        assert_eq!((space.percent(2.5), space.down(20.0)), ("25.00%".to_owned(), 0.0));
    }
}
