//! `tidegate forecast` and `tidegate backtest` on small files.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// Two series of four weeks of hours with a day's rhythm, one of them with a gap.
fn hours() -> String {
    let mut text = String::from("unique_id,ds,y\n");
    for (id, size) in [("acme", 100.0), ("small, quiet", 3.0)] {
        for hour in 0..24 * 28 {
            if id == "acme" && (300..310).contains(&hour) {
                continue;
            }
            let wave = (f64::from(hour % 24) / 24.0 * std::f64::consts::TAU).sin();
            let y = size * (2.0 + wave) + f64::from(hour * 37 % 11);
            let ds = 1_767_225_600 + i64::from(hour) * 3600;
            text += &format!("\"{id}\",{},{y:.3}\n", january(ds));
        }
    }
    text
}

/// Days of January 2026 need no calendar.
fn january(at: i64) -> String {
    let hour = (at - 1_767_225_600) / 3600;
    format!("2026-01-{:02}T{:02}:00:00", 1 + hour / 24, hour % 24)
}

fn tidegate(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who refuses its options reads no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(arguments: &[&str], input: &str) -> String {
    let output = tidegate(arguments, input);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn printed(arguments: &[&str], input: &str) -> String {
    let output = tidegate(arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn forecasts_go_on_from_the_end_of_each_series_in_long_format() {
    let ask = ["forecast", "--input", "-", "--freq", "1h", "--horizon", "24", "--output", "-"];
    let text = printed(&ask, &hours());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "unique_id,ds,mean,median,lo-80,hi-80,lo-95,hi-95");
    assert_eq!(lines.len(), 1 + 2 * 24);
    assert!(lines[1].starts_with("acme,2026-01-29T00:00:00,"), "{}", lines[1]);
    assert!(lines[25].starts_with("\"small, quiet\",2026-01-29T00:00:00,"), "{}", lines[25]);
    let mean = |line: &str| line.split(',').nth(2).unwrap().parse::<f64>().unwrap();
    let (peak, trough) = (mean(lines[1 + 6]), mean(lines[1 + 18]));
    assert!((290.0..325.0).contains(&peak) && (95.0..125.0).contains(&trough), "{peak} and {trough}");
    assert_eq!(text, printed(&ask, &hours()));
}

#[test]
fn other_levels_json_and_pictures_are_written() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (svg, html) = (path("fan.svg"), path("fan.html"));
    let ask = [
        "forecast",
        "--input",
        "-",
        "--freq",
        "1h",
        "--horizon",
        "5",
        "--levels",
        "50",
        "--model",
        "holt-winters",
    ];
    let rows = printed(&[&ask[..], &["--json", "--svg", &svg, "--html", &html]].concat(), &hours());
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let first = &rows[0];
    assert!(first["lo-50"].as_f64().unwrap() <= first["hi-50"].as_f64().unwrap());
    assert_eq!(rows.as_array().unwrap().len(), 10);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
    assert_eq!(std::fs::read_to_string(html).unwrap().matches("<svg").count(), 2);
    let plot = printed(&[&ask[..], &["--plot", "--series", "small, quiet"]].concat(), &hours());
    assert!(plot.starts_with("small, quiet") && plot.contains('▒'), "{plot}");
}

#[test]
fn backtests_write_a_row_per_forecast_and_score_naive_models_too() {
    let folder = TempDir::new().unwrap();
    let rows = folder.path().join("rows.csv");
    let ask =
        ["backtest", "--input", "-", "--freq", "1h", "--horizon", "12", "--windows", "3", "--step", "6"];
    let table = printed(&[&ask[..], &["--output", rows.to_str().unwrap()]].concat(), &hours());
    assert!(table.contains("seasons: 24"), "{table}");
    let models: Vec<&str> = table.lines().skip(2).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(models.len(), 3, "{table}");
    for model in ["auto", "naive", "seasonal-naive"] {
        assert!(models.contains(&model), "{table}");
    }
    let written = std::fs::read_to_string(rows).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "unique_id,ds,cutoff,y,mean,median,lo-80,hi-80,lo-95,hi-95");
    assert_eq!(lines.len(), 1 + 2 * 3 * 12);
    assert!(lines[1].starts_with("acme,2026-01-28T00:00:00,2026-01-27T23:00:00,"), "{}", lines[1]);
    let json = printed(&[&ask[..], &["--model", "theta,naive", "--json"]].concat(), &hours());
    let json: Value = serde_json::from_str(&json).unwrap();
    let auto = &json["models"][0];
    assert!(auto["model"] == "theta" && auto["mase"].as_f64().unwrap() < 1.5, "{json}");
}

#[test]
fn what_cannot_be_done_is_told() {
    let ask = ["forecast", "--input", "-", "--freq", "1h", "--horizon", "5"];
    assert!(
        told(&ask, "unique_id,ds,y\na,2026-01-01,1\na,noon,2\n").contains("-: line 3, column ds: `noon`")
    );
    assert!(
        told(&ask, "unique_id,ds,y\na,2026-01-01,1\na,2026-01-02,x\n")
            .contains("line 3, column y: `x` is no")
    );
    assert!(told(&[&ask[..], &["--model", "arma"]].concat(), "").contains("did you mean `arima`?"));
    assert!(
        told(&["forecast", "--input", "-", "--freq", "soon", "--horizon", "5"], "")
            .contains("is no frequency")
    );
    let short = ["backtest", "--input", "-", "--freq", "1h", "--horizon", "500"];
    assert!(told(&short, "unique_id,ds,y\na,2026-01-01,1\n").contains("no series is long enough"));
    assert!(
        told(&[&ask[..], &["--series", "b"]].concat(), "unique_id,ds,y\na,60,1\n")
            .contains("there is no series `b`")
    );
}
