//! The demo, short: it ends by itself, its books agree, and a bad log is explained.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_e2e::{folder, process::Process, wait};

use crate::{program, world};

/// Runs the demo and returns whether it succeeded, and what it printed.
async fn demo(words: &[&str]) -> Result<(bool, String)> {
    program::run(env!("CARGO_BIN_EXE_demo"), words).await
}

#[tokio::test]
async fn the_story_ends_with_books_that_agree() -> Result<()> {
    let _turn = world::turn().await?;
    let (success, printed) = demo(&["--once", "--seconds", "16", "--folder", "demo-story-test"]).await?;
    assert!(success, "{printed}");
    assert_eq!(printed.lines().last(), Some("demo: ok"), "{printed}");
    let summary = fs::read_to_string(folder::target()?.join("demo-story-test/summary.json"))?;
    let summary: Value = serde_json::from_str(&summary)?;
    assert_eq!(summary["consistent"], true);
    let arms = summary["runs"][0]["arms"].as_array().context("no arms")?;
    let names: Vec<_> = arms.iter().filter_map(|arm| arm["arm"].as_str()).collect();
    assert_eq!(names, ["static", "global", "reactive", "tidegate"]);
    for arm in arms {
        let offered = |tier: &Value| tier["measured"]["offered"].as_u64();
        let tiers =
            |arm: &Value| arm["tiers"].as_array().map(|tiers| tiers.iter().map(offered).collect::<Vec<_>>());
        assert_eq!(tiers(arm), tiers(&arms[0]), "every arm got the same requests");
        assert!(arm["highest_admitted_in_a_second"].as_u64() > Some(0), "{arm}");
    }
    let customers = arms[3]["customers"].as_array().context("no customers")?;
    assert_eq!(customers.len(), 4);
    for customer in customers {
        assert!(customer["forecast"]["steps"].as_u64() > Some(3), "{customer}");
    }
    let reserved = |arm: &Value| arm["all"]["guaranteed"].as_u64();
    assert_eq!(reserved(&arms[2]), Some(0), "nothing is reserved without foresight");
    Ok(())
}

#[tokio::test]
async fn the_story_runs_through_a_gateway_too() -> Result<()> {
    let _turn = world::turn().await?;
    let (success, printed) =
        demo(&["--gateway", "--once", "--seconds", "8", "--folder", "demo-gateway-test"]).await?;
    assert!(success, "{printed}");
    let summary = fs::read_to_string(folder::target()?.join("demo-gateway-test/summary.json"))?;
    let summary: Value = serde_json::from_str(&summary)?;
    let arms = summary["runs"][0]["arms"].as_array().context("no arms")?;
    let names: Vec<_> = arms.iter().filter_map(|arm| arm["arm"].as_str()).collect();
    assert_eq!(names, ["reactive", "tidegate"]);
    assert!(arms.iter().all(|arm| arm["all"]["opportunistic"].as_u64() > Some(0)), "{summary}");
    assert!(summary["runs"][0]["table_epoch"].as_u64() > Some(0), "it had a table");
    Ok(())
}

#[tokio::test]
async fn a_log_is_replayed_to_the_last_token() -> Result<()> {
    let _turn = world::turn().await?;
    let mut log = String::from("ts,key,resource,cost,actual,class\n");
    for number in 0..600_u64 {
        let key = if number % 3 == 0 { "a & b" } else { "c" };
        let (at, cost) = (number as f64 / 5.0, 10 + number * number % 97);
        let resource = if number % 5 == 0 {
            "requests,1,,"
        } else {
            &format!("llm_tokens,{cost},{},standard", cost * 2)
        };
        log += &format!("{at},{key},{resource}\n");
    }
    let path = folder::write(&folder::fresh("demo-log-test")?, "log.csv", &log)?;
    let path = path.to_string_lossy();
    let (success, printed) =
        demo(&["--once", "--trace", &path, "--speed", "20", "--folder", "demo-replay-test"]).await?;
    assert!(success, "{printed}");
    let summary = fs::read_to_string(folder::target()?.join("demo-replay-test/summary.json"))?;
    let summary: Value = serde_json::from_str(&summary)?;
    let entry = |what: &str| {
        let entries = summary["entries"].as_array()?;
        entries.iter().find(|entry| entry["what"] == what).cloned()
    };
    assert_eq!(entry("requests").context("no requests")?["database"], 600);
    let settled = entry("llm_tokens settled").context("nothing settled")?;
    assert!(settled["client"].as_u64() > Some(0) && settled["client"] == settled["database"], "{settled}");
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_the_story_with_books_that_agree() -> Result<()> {
    let _turn = world::turn().await?;
    let log = folder::fresh("demo-interrupt-test")?.with_extension("log");
    let _ = fs::remove_file(&log);
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(["--folder", "demo-interrupt-test"]);
    let mut demo = Process::start("the demo", &mut command, &log)?;
    let printed = |wanted: &'static str| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        std::future::ready(Ok(text.contains(wanted).then_some(())))
    };
    wait::until("the first table of tiers", Duration::from_secs(40), || printed("opportunistic/s")).await?;
    let children = children_of(demo.id())?;
    assert_eq!(children.len(), 3, "Envoy and two forecasters");
    demo.interrupt();
    let status =
        wait::until("the demo ends", Duration::from_secs(40), || std::future::ready(demo.ended())).await?;
    let text = fs::read_to_string(&log)?;
    assert!(status.success(), "{text}");
    assert_eq!(text.lines().last(), Some("demo: ok"), "{text}");
    for child in children {
        assert!(!Path::new("/proc").join(&child).exists(), "process {child} outlived the demo");
    }
    Ok(())
}

/// Ids of the processes that a process has started.
fn children_of(id: u32) -> Result<Vec<String>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let list = fs::read_to_string(task?.path().join("children"))?;
        children.extend(list.split_whitespace().map(str::to_owned));
    }
    Ok(children)
}

#[tokio::test]
async fn a_bad_log_is_refused_with_line_and_column() -> Result<()> {
    let path = folder::write(
        &folder::fresh("demo-bad-test")?,
        "log.csv",
        "ts,key,resource,cost\n1,a,requests,1\n2,a,requests,one\n",
    )?;
    let (success, printed) = demo(&["--once", "--trace", &path.to_string_lossy()]).await?;
    assert!(!success, "{printed}");
    assert!(printed.contains("log.csv: line 3: column cost: \"one\": not a whole number"), "{printed}");
    Ok(())
}
