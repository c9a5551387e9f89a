//! Scores as a table, in text and as part of a page.

use crate::{chart::escaped, metrics::Score};

type Figure = (&'static str, fn(&Score) -> f64, usize);

const FIGURES: [Figure; 18] = [
    ("MASE", |score| score.mase, 3),
    ("median", |score| score.mase_median, 3),
    ("RMSSE", |score| score.rmsse, 3),
    ("WQL", |score| score.wql, 4),
    ("median", |score| score.wql_median, 4),
    ("in 50 %", |score| 100.0 * score.coverage_50, 1),
    ("in 80 %", |score| 100.0 * score.coverage_80, 1),
    ("in 90 %", |score| 100.0 * score.coverage_90, 1),
    ("in 95 %", |score| 100.0 * score.coverage_95, 1),
    ("in 99 %", |score| 100.0 * score.coverage_99, 1),
    ("PIT 80 %", |score| 100.0 * score.pit_80, 1),
    ("PIT 95 %", |score| 100.0 * score.pit_95, 1),
    ("MSIS", |score| score.msis, 2),
    ("spikes", |score| score.spike_brier / score.spike_brier_base, 3),
    ("scenarios", |score| score.scenario_log_loss / score.scenario_log_loss_base, 3),
    ("sMAPE", |score| score.smape, 2),
    ("µs/value", |score| score.update_us, 1),
    ("µs/window", |score| score.forecast_us + 1e3 * score.refit_ms, 0),
];

/// A table, best MASE first; what has no figure shows a dash.
#[must_use]
pub fn table(scores: &[Score]) -> String {
    let widest = scores.iter().map(|score| score.model.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:<widest$}", "model");
    for (name, _, _) in FIGURES {
        text += &format!(" {name:>9}");
    }
    text.push('\n');
    for score in ranked(scores) {
        text += &format!("{:<widest$}", score.model);
        for figure in FIGURES {
            text += &format!(" {:>9}", shown(score, figure));
        }
        text.push('\n');
    }
    text
}

/// A page of its own: a table and drawings.
#[must_use]
pub fn page(title: &str, scores: &[Score], drawings: &[String]) -> String {
    let title = escaped(title);
    let mut body = String::new();
    if !scores.is_empty() {
        let head: String = FIGURES.iter().map(|(name, _, _)| format!("<th>{name}</th>")).collect();
        let rows: String = ranked(scores)
            .iter()
            .map(|score| {
                let cells: String =
                    FIGURES.iter().map(|&figure| format!("<td>{}</td>", shown(score, figure))).collect();
                format!("<tr><th scope=\"row\">{}</th>{cells}</tr>", escaped(&score.model))
            })
            .collect();
        body += &format!("<table><thead><tr><th>model</th>{head}</tr></thead><tbody>{rows}</tbody></table>");
    }
    body += &drawings.concat();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>\
         :root {{ color-scheme: light dark; font: 15px system-ui, sans-serif }} body {{ max-width: 1000px; margin: 2rem auto; padding: 0 1rem }}\
         table {{ border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }} th, td {{ padding: .25rem .6rem; text-align: right }}\
         th[scope=row] {{ text-align: left }} tbody tr {{ border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent) }} svg {{ width: 100%; height: auto }}\
         </style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

fn ranked(scores: &[Score]) -> Vec<&Score> {
    let mut ranked: Vec<&Score> = scores.iter().collect();
    ranked.sort_by(|left, right| left.mase.total_cmp(&right.mase));
    ranked
}

fn shown(score: &Score, (_, of, decimals): Figure) -> String {
    let value = of(score);
    if value.is_finite() { format!("{value:.decimals$}") } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_and_unknown_figures_are_dashes() {
        let score =
            |model: &str, mase: f64| Score { model: model.into(), mase, wql: f64::NAN, ..Score::default() };
        let text = table(&[score("worse", 2.0), score("better", 0.5)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("better     0.500") && lines[2].starts_with("worse "), "{text}");
        assert!(lines[1].contains(" - "), "{text}");
        assert!(page("a & b", &[score("x", 1.0)], &["<svg/>".into()]).contains("<h1>a &amp; b</h1><table>"));
    }
}
