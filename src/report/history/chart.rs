//! Charts as rectangles and words, which the page draws as SVG.

use serde::Serialize;

use crate::github::task::State;
use crate::report::history::comparison::Comparison;
use crate::report::history::document::Week;
use crate::report::history::show::{percent, span, spelled_number, whole_percent};

/// The size of a chart in its own units: wide enough for a year of weeks, and small enough for two beside each other.
const WIDTH: f64 = 520.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 220.0;
/// The room for the words at the left, and at the bottom.
const MARGIN: [f64; 2] = [56.0, 24.0];
/// The room at the top, where the highest word would be cut off.
const TOP: f64 = 10.0;
/// How many weeks have a word below them; more would overlap.
const MAX_LABELS: usize = 7;
/// At most so many lines go across.
const MAX_LINES: f64 = 5.0;
/// The widest bar; a single week is not as wide as the chart.
const MAX_BAR: f64 = 36.0;

/// A rectangle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: &'static str,
    title: String,
}

/// Words at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    at: f64,
    text: String,
}

/// What a color means.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Legend {
    class: &'static str,
    text: String,
}

/// A chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    title: String,
    width: f64,
    height: f64,
    left: f64,
    bars: Vec<Bar>,
    /// Lines across, with their words at the left.
    lines: Vec<Label>,
    /// Words at the bottom.
    below: Vec<Label>,
    /// Words at the end of a bar.
    ends: Vec<[Label; 2]>,
    legend: Vec<Legend>,
}

/// One color of a chart: its class, what it means, and its value in each week.
struct Series {
    class: &'static str,
    text: &'static str,
    values: Vec<f64>,
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Chart {
    /// Tasks by the week of their creation, stacked by how they ended.
    pub fn tasks(weeks: &[Week]) -> Self {
        let ended = [State::Completed, State::Failed, State::TimedOut, State::Cancelled];
        let [completed, failed, timed_out, cancelled] = &ended;
        #[expect(clippy::cast_precision_loss, reason = "a week has not as many tasks")]
        let of = |states: &[State]| weeks.iter().map(|week| week.count(states) as f64).collect::<Vec<_>>();
        #[expect(clippy::cast_precision_loss, reason = "a week has not as many tasks")]
        let open = weeks.iter().map(|week| (week.tasks - week.count(&ended)) as f64).collect();
        let one = std::slice::from_ref;
        let series = [
            Series { class: "good", text: "completed", values: of(one(completed)) },
            Series { class: "bad", text: "failed", values: of(one(failed)) },
            Series { class: "late", text: "timed out", values: of(one(timed_out)) },
            Series { class: "gone", text: "cancelled", values: of(one(cancelled)) },
            Series { class: "open", text: "not ended", values: open },
        ];
        Self::stacked("Tasks per week", weeks, &series, false)
    }

    /// Pull requests by the week of their task's creation, stacked by what happened to them.
    pub fn pulls(weeks: &[Week]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a week has not as many pull requests")]
        let of = |count: fn(&Week) -> u64| weeks.iter().map(|week| count(week) as f64).collect::<Vec<_>>();
        let series = [
            Series { class: "good", text: "merged", values: of(|week| week.merged) },
            Series { class: "gone", text: "closed", values: of(|week| week.closed) },
            Series { class: "open", text: "open", values: of(|week| week.pull_requests - week.merged - week.closed) },
        ];
        Self::stacked("Pull requests per week", weeks, &series, false)
    }

    /// The median time to merge by the week of the task's creation, and the 90th percentile above it.
    pub fn time_to_merge(weeks: &[Week]) -> Self {
        let median = |week: &Week| week.time_to_merge.median.unwrap_or_default();
        let above = |week: &Week| week.time_to_merge.p90.unwrap_or_default() - median(week);
        let series = [
            Series { class: "good", text: "median", values: weeks.iter().map(median).collect() },
            Series { class: "open", text: "up to the 90th percentile", values: weeks.iter().map(above).collect() },
        ];
        Self::stacked("Time to merge", weeks, &series, true)
    }

    /// Credits by the week of the task's creation.
    pub fn credits(weeks: &[Week]) -> Self {
        let values = weeks.iter().map(|week| week.credits.total.unwrap_or_default()).collect();
        let series = [Series { class: "good", text: "AI credits", values }];
        Self::stacked("Credits per week", weeks, &series, false)
    }

    fn stacked(title: &str, weeks: &[Week], series: &[Series], is_time: bool) -> Self {
        let show = if is_time { span } else { spelled_number };
        let [left, bottom] = MARGIN;
        let total = |at: usize| series.iter().map(|it| it.values[at]).sum::<f64>();
        let highest = (0..weeks.len()).map(total).fold(0.0, f64::max);
        let step = step(highest, is_time);
        let top = (highest / step).ceil().max(1.0) * step;
        let room = HEIGHT - TOP - bottom;
        #[expect(clippy::cast_precision_loss, reason = "there are at most some hundred weeks")]
        let slot = (WIDTH - left) / weeks.len().max(1) as f64;
        let width = (slot * 0.8).min(MAX_BAR);
        let (mut bars, mut below) = (Vec::new(), Vec::new());
        let every = weeks.len().div_ceil(MAX_LABELS).max(1);
        let mut x = left;
        for (at, week) in weeks.iter().enumerate() {
            let middle = x + slot / 2.0;
            let mut y = HEIGHT - bottom;
            for it in series.iter().filter(|it| it.values[at] > 0.0) {
                let height = it.values[at] / top * room;
                y -= height;
                bars.push(Bar {
                    x: one_decimal(middle - width / 2.0),
                    y: one_decimal(y),
                    width: one_decimal(width),
                    height: one_decimal(height),
                    class: it.class,
                    title: format!("{}: {}, {}", week.begins, it.text, show(it.values[at])),
                });
            }
            if at % every == 0 {
                below
                    .push(Label { at: one_decimal(middle), text: week.begins.get(5..).unwrap_or_default().to_owned() });
            }
            x += slot;
        }
        let values =
            std::iter::successors(Some(0.0), |value| Some(value + step)).take_while(|it| *it <= top + step / 2.0);
        let lines = values.map(|it| Label { at: one_decimal(HEIGHT - bottom - it / top * room), text: show(it) });
        let used = series.iter().filter(|it| it.values.iter().any(|value| *value > 0.0));
        Self {
            title: title.to_owned(),
            width: WIDTH,
            height: HEIGHT,
            left,
            bars,
            lines: lines.collect(),
            below,
            ends: Vec::new(),
            legend: used.map(|it| Legend { class: it.class, text: it.text.to_owned() }).collect(),
        }
    }

    /// The shares of two groups side by side.
    pub fn shares(comparison: &Comparison) -> Self {
        const ROW: f64 = 40.0;
        let (left, bar) = (96.0, 14.0);
        let room = WIDTH - left - 56.0;
        let (mut bars, mut lines, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut y = TOP;
        for share in &comparison.shares {
            lines.push(Label { at: y + bar + 4.0, text: share.figure.replace('-', " ") });
            for (class, it, y) in [("before", share.first, y), ("good", share.second, y + bar + 2.0)] {
                let width = one_decimal(it.share.unwrap_or_default() * room);
                let title = percent(it);
                bars.push(Bar { x: left, y, width, height: bar, class, title: title.clone() });
                let short = it.share.map_or("–".to_owned(), whole_percent);
                ends.push([Label { at: left + width + 6.0, text: short }, Label { at: y + 11.0, text: title }]);
            }
            y += ROW;
        }
        Self {
            title: "Shares".to_owned(),
            width: WIDTH,
            height: y,
            left,
            bars,
            lines,
            below: Vec::new(),
            ends,
            legend: vec![
                Legend { class: "before", text: comparison.first.clone() },
                Legend { class: "good", text: comparison.second.clone() },
            ],
        }
    }
}

/// The distance of the lines: 1, 2 or 5 times a power of ten; for seconds a round number of minutes, hours or days.
fn step(highest: f64, is_time: bool) -> f64 {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    const DAY: f64 = 24.0 * HOUR;
    let least = highest / MAX_LINES;
    if is_time && least <= 10.0 * DAY {
        let steps = [1.0, 5.0, 15.0, 30.0].map(|it| it * MINUTE).into_iter();
        let steps =
            steps.chain([1.0, 2.0, 6.0, 12.0].map(|it| it * HOUR)).chain([1.0, 2.0, 5.0, 10.0].map(|it| it * DAY));
        return steps.into_iter().find(|step| *step >= least).unwrap_or(10.0 * DAY);
    }
    let unit = if is_time { DAY } else { 1.0 };
    let least = (least / unit).max(1.0);
    let power = 10_f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * power >= least).unwrap_or(10.0);
    digit * power * unit
}
