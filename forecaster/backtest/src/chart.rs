//! A series and its fan of quantiles, in the terminal and as SVG.

use tidegate_model::{BOUND_LEVELS, StepForecast};

use crate::frame::{Frame, Series};

/// What is drawn: the end of a series and what is forecast after it.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// The frame of the series.
    pub frame: &'a Frame,
    /// The series.
    pub series: &'a Series,
    /// First step that is forecast; values from here on are drawn as what came.
    pub from: usize,
    /// The forecast.
    pub ahead: &'a [StepForecast],
}

/// How much of the past is drawn, in horizons.
const PAST_HORIZONS: usize = 3;
const LEAST_PAST: usize = 24;
const SVG_WIDTH: f64 = 960.0;
const SVG_HEIGHT: f64 = 280.0;
const MARGIN: f64 = 44.0;

/// The value of a column of the plot.
struct Column {
    value: f64,
    forecast: Option<StepForecast>,
}

impl Chart<'_> {
    fn first(&self) -> usize {
        self.from.saturating_sub((self.ahead.len() * PAST_HORIZONS).max(LEAST_PAST))
    }

    fn end(&self) -> usize {
        self.from + self.ahead.len()
    }

    fn value(&self, step: usize) -> f64 {
        self.series.values.get(step).copied().unwrap_or(f64::NAN)
    }

    fn column(&self, step: usize) -> Column {
        let forecast = step.checked_sub(self.from).and_then(|ahead| self.ahead.get(ahead)).copied();
        Column { value: self.value(step), forecast }
    }

    /// The highest value to be drawn.
    fn top(&self) -> f64 {
        let highest = (self.first()..self.end()).map(|step| {
            let column = self.column(step);
            let [.., fan] = column.forecast.map_or([0.0; BOUND_LEVELS.len()], |forecast| forecast.bounds());
            if column.value.is_finite() { fan.max(column.value) } else { fan }
        });
        highest.fold(0.0, f64::max).max(1e-9)
    }

    /// A picture of text: `·` is what was, `o` what came, `─` the median, `▒` and `░` the 80 and 95 % intervals.
    #[must_use]
    pub fn text(&self, width: usize, height: usize) -> String {
        let (first, top) = (self.first(), self.top());
        let steps = self.end() - first;
        let width = width.clamp(10, steps.max(10));
        let height = height.max(4);
        let mut picture = format!("{} (up to {})\n", self.series.id, short(top));
        for row in (0..height).rev() {
            let low = top * row as f64 / height as f64;
            let high = top * (row + 1) as f64 / height as f64;
            let cell = |place: usize| {
                let column = self.column(first + place * steps / width);
                letter(&column, low, if row + 1 == height { f64::INFINITY } else { high })
            };
            let line: String = (0..width).map(cell).collect();
            picture += &format!("{:>9} │{}\n", short(low), line.trim_end());
        }
        let (begin, end) =
            (self.frame.stamp(self.series, first), self.frame.stamp(self.series, self.end() - 1));
        picture + &format!("{:>9} └{}\n{:>11}{begin} … {end}\n", "", "─".repeat(width), "")
    }

    /// A drawing.
    #[must_use]
    pub fn svg(&self) -> String {
        let (first, top) = (self.first(), self.top());
        let steps = (self.end() - first).max(2);
        let x =
            |step: usize| MARGIN + (SVG_WIDTH - 2.0 * MARGIN) * (step - first) as f64 / (steps - 1) as f64;
        let y = |value: f64| SVG_HEIGHT - MARGIN + (2.0 * MARGIN - SVG_HEIGHT) * value / top;
        let point = |step: usize, value: f64| format!("{:.1},{:.1}", x(step), y(value));
        let fan = |low: usize, high: usize| {
            let side = |at: usize| {
                let steps = (self.from..).zip(self.ahead);
                steps.map(move |(step, forecast)| (step, forecast.bounds().get(at).copied().unwrap_or(0.0)))
            };
            let mut points: Vec<String> = side(low).map(|(step, value)| point(step, value)).collect();
            let mut back: Vec<String> = side(high).map(|(step, value)| point(step, value)).collect();
            back.reverse();
            points.extend(back);
            points.join(" ")
        };
        let known: Vec<String> = (first..self.end())
            .filter(|&step| self.value(step).is_finite())
            .map(|step| point(step, self.value(step)))
            .collect();
        let middle: Vec<String> =
            (self.from..).zip(self.ahead).map(|(step, forecast)| point(step, forecast.mean)).collect();
        let ends = [first, self.end() - 1].map(|step| self.frame.stamp(self.series, step));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SVG_WIDTH} {SVG_HEIGHT}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\
             <title>{name}</title>\
             <polygon points=\"{wide}\" fill=\"#3b82f6\" opacity=\"0.18\"/><polygon points=\"{narrow}\" fill=\"#3b82f6\" opacity=\"0.3\"/>\
             <polyline points=\"{known}\" fill=\"none\" stroke=\"#6b7280\" stroke-width=\"1.3\"/>\
             <polyline points=\"{middle}\" fill=\"none\" stroke=\"#1d4ed8\" stroke-width=\"1.8\"/>\
             <g fill=\"#6b7280\"><text x=\"{MARGIN}\" y=\"18\" font-weight=\"600\">{name}</text>\
             <text x=\"4\" y=\"{top_y:.0}\">{top_text}</text><text x=\"4\" y=\"{zero_y:.0}\">0</text>\
             <text x=\"{MARGIN}\" y=\"{foot:.0}\">{begin}</text><text x=\"{right:.0}\" y=\"{foot:.0}\" text-anchor=\"end\">{end}</text></g></svg>\n",
            name = escaped(&self.series.id),
            wide = fan(0, 4),
            narrow = fan(1, 3),
            known = known.join(" "),
            middle = middle.join(" "),
            top_y = y(top) + 4.0,
            top_text = short(top),
            zero_y = y(0.0) + 4.0,
            foot = SVG_HEIGHT - 12.0,
            right = SVG_WIDTH - MARGIN,
            begin = escaped(&ends[0]),
            end = escaped(&ends[1]),
        )
    }
}

fn letter(column: &Column, low: f64, high: f64) -> char {
    let within = |value: f64| value >= low && value < high;
    let overlaps = |from: f64, to: f64| from < high && to >= low;
    if within(column.value) {
        return if column.forecast.is_some() { 'o' } else { '·' };
    }
    let Some(forecast) = column.forecast else { return ' ' };
    let [lo_95, lo_80, median, hi_80, hi_95] = forecast.bounds();
    if within(median) {
        '─'
    } else if overlaps(lo_80, hi_80) {
        '▒'
    } else if overlaps(lo_95, hi_95) {
        '░'
    } else {
        ' '
    }
}

/// Three significant digits.
fn short(value: f64) -> String {
    let decimals = if value >= 100.0 || value == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

/// Text as it may stand in SVG and HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Freq, Stamps};

    #[test]
    fn past_fan_and_outcome_are_drawn() {
        let values = (0..40).map(|step| f64::from(step % 5) + 1.0).collect();
        let frame = Frame {
            series: vec![Series { id: "a<b".into(), first: 0, values }],
            freq: Freq::Time(60_000),
            stamps: Stamps::Civil,
        };
        let step = StepForecast::of_bounds(3.0, [0.5, 1.0, 3.0, 5.0, 6.0]);
        let chart = Chart { frame: &frame, series: &frame.series[0], from: 36, ahead: &[step; 6] };
        let text = chart.text(80, 10);
        for letter in ['·', 'o', '─', '▒', '░'] {
            assert!(text.contains(letter), "no {letter} in\n{text}");
        }
        assert!(text.contains("1970-01-01T00:41:00"), "{text}");
        let svg = chart.svg();
        assert!(svg.contains("<title>a&lt;b</title>") && svg.matches("<polygon").count() == 2);
        assert!(!svg.contains("NaN"));
    }
}
