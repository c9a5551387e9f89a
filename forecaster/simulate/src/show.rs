//! Findings as tables for a terminal.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::{
    study::Setting,
    summary::{Line, Section, Spread},
};

/// All sections, one table each.
#[must_use]
pub fn show(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let Setting { scenario, cast, load } = section.setting;
        let cast = cast.map(|cast| format!(", upper tiers {cast}")).unwrap_or_default();
        let load = load.map(|load| format!(", mean demand / capacity {load}")).unwrap_or_default();
        let _ = writeln!(text, "\n{scenario}{cast}{load}");
        let _ = writeln!(text, "{}", arms(section));
        if !section.frontier.is_empty() {
            let points: Vec<String> = section.frontier.iter().map(point).collect();
            let _ = writeln!(text, "frontier of priority (admitted % of global, upper tiers refused %):");
            let _ = writeln!(text, "{}", points.join("\n"));
        }
    }
    text
}

fn arms(section: &Section) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    let groups: Vec<&str> = section
        .arms
        .first()
        .map(|line| line.refused.iter().map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default();
    let first = section.arms.first().map(|line| &line.policy);
    let has_policies = section.arms.iter().any(|line| Some(&line.policy) != first);
    let mut header: Vec<String> = if has_policies { vec!["policy".into()] } else { Vec::new() };
    let figures = ["admitted\n%", "admitted\n% of global", "upper\nrefused %", "beyond\ncontract %"];
    header.push("arm".into());
    header.extend(figures.map(str::to_owned));
    header.extend(groups.iter().map(|group| format!("{group}\nrefused %")));
    header.extend(
        [
            "delayed %",
            "upper\ndelayed %",
            "mean wait\nms",
            "p99 wait\nms",
            "guaranteed\n%",
            "mean capacity\n/s",
        ]
        .map(str::to_owned),
    );
    table.set_header(header);
    for line in &section.arms {
        let mut row = if has_policies { vec![line.policy.clone()] } else { Vec::new() };
        row.extend([line.arm.clone(), spread(line.admitted, 2), spread(line.of_global, 2)]);
        row.extend([spread(line.upper_refused, 4), spread(line.upper_beyond, 3)]);
        row.extend(line.refused.iter().map(|(_, refused)| spread(*refused, 3)));
        row.extend([
            spread(line.delayed, 2),
            spread(line.upper_delayed, 2),
            spread(line.wait_ms, 0),
            spread(line.wait_p99_ms, 0),
        ]);
        row.extend([spread(line.guaranteed, 1), spread(line.capacity_per_s, 1)]);
        table.add_row(row);
    }
    let names = if has_policies { 2 } else { 1 };
    table.column_iter_mut().skip(names).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// The mean, and below it the extremes.
fn spread(figure: Spread, digits: usize) -> String {
    let Spread { mean, min, max } = figure;
    if max - min < 0.5 * 0.1_f64.powi(digits as i32) {
        return format!("{mean:.digits$}");
    }
    format!("{mean:.digits$}\n{min:.digits$}..{max:.digits$}")
}

fn point(line: &Line) -> String {
    format!("  {:<28} {:>7.2} {:>8.3}", line.arm, line.of_global.mean, line.upper_refused.mean)
}
