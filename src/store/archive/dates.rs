//! Dates with the year last: whether the day or the month is first, which a whole column can decide and a single date cannot.

/// Which of the two comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayOrder {
    DayFirst,
    MonthFirst,
}

/// What the dates of a column say about their order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// Dates with more than 12 in the first place.
    day_first: u64,
    /// Dates with more than 12 in the second place.
    month_first: u64,
    /// Dates that would be another day the other way round.
    open: u64,
    /// Dates with another mark than a dot.
    marked: u64,
    all: u64,
}

impl Evidence {
    /// Takes in a date; other words say nothing.
    pub(super) fn see(&mut self, text: &str) {
        let Some((first, second, mark)) = year_last(text) else { return };
        self.all += 1;
        self.day_first += u64::from(first > 12);
        self.month_first += u64::from(second > 12);
        self.open += u64::from(first != second && first <= 12 && second <= 12);
        self.marked += u64::from(mark != '.');
    }

    /// The order, if all dates together leave only one. `is_custom`: the name of the column says that the day is first.
    pub(super) const fn order(self, is_custom: bool) -> Option<DayOrder> {
        if self.day_first > 0 && self.month_first > 0 {
            return None;
        }
        if self.month_first > 0 {
            return Some(DayOrder::MonthFirst);
        }
        // With dots the month is seldom first, so dates that are the same either way need no more.
        let is_settled = self.all > 0 && self.marked == 0 && (is_custom || self.open == 0);
        if self.day_first > 0 || is_settled { Some(DayOrder::DayFirst) } else { None }
    }
}

/// The two numbers before the year, and the mark between them, of a date that ends with a year of four digits.
pub(super) fn year_last(text: &str) -> Option<(u32, u32, char)> {
    let day = text.trim().split([' ', 'T']).next()?;
    let mark = day.chars().find(|c| !c.is_ascii_digit())?;
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    let [first, second, year] = parts[..] else { return None };
    let is_short = |part: &str| (1..=2).contains(&part.len());
    if !is_short(first) || !is_short(second) || year.len() != 4 {
        return None;
    }
    year.parse::<u32>().ok()?;
    Some((first.parse().ok()?, second.parse().ok()?, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_day_above_twelve_tells_the_order() {
        use DayOrder::{DayFirst, MonthFirst};
        for (dates, is_custom, order) in [
            (vec!["01.02.2024 00:00", "13.02.2024 00:00"], false, Some(DayFirst)),
            (vec!["01/02/2024", "01/13/2024"], false, Some(MonthFirst)),
            (vec!["01-02-2024", "31-01-2024"], false, Some(DayFirst)),
            (vec!["01.02.2024", "12.02.2024"], false, None),
            (vec!["01.02.2024", "12.02.2024"], true, Some(DayFirst)),
            (vec!["01/02/2024"], true, None),
            (vec!["13.02.2024", "01.13.2024"], true, None),
            (vec!["03.03.2024 12:00"], false, Some(DayFirst)),
            (vec!["03/03/2024 12:00"], false, None),
            (vec!["1/2/24", "13/2/24", "2024-01-13", "x", ""], false, None),
        ] {
            let mut evidence = Evidence::default();
            for date in &dates {
                evidence.see(date);
            }
            assert_eq!(evidence.order(is_custom), order, "{dates:?}");
        }
    }
}
