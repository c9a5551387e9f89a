//! A demo from start to end: set the stage, let the traffic run, wait for the last reports, compare the books.

use std::time::Duration;

use anyhow::{Result, bail};
use jiff::Timestamp;
use tidegate_e2e::{
    load,
    process::interrupted,
    rig::{Plan, Rig},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, interval_at, sleep, sleep_until},
};

use crate::{
    accuracy::Accuracy,
    board,
    books::Books,
    script::{STEP, Script},
    summary::Summary,
    tally::Tally,
};

/// Plays a script; an error when the books differ or something broke.
pub(crate) async fn play(mut script: Script) -> Result<()> {
    let plan = Plan {
        folder: script.folder.clone(),
        plugin: script.plugin.clone(),
        forecaster_address: script.forecaster.listen,
        forecaster: Some(script.forecaster.clone()),
        upstream_delay: Duration::ZERO,
    };
    let mut rig = tokio::select! {
        rig = Rig::start(&plan) => rig?,
        _ = interrupted() => bail!("interrupted before it began"),
    };
    board::introduce(&script, &rig)?;
    let traffic = run(&mut script, &mut rig).await?;
    tokio::select! {
        closed = close(&script, &rig, &traffic) => closed?,
        _ = interrupted() => bail!("interrupted before the books were closed"),
    }
    if script.once && traffic.interrupted {
        bail!("interrupted");
    }
    if !script.once && !traffic.interrupted {
        println!("\nThe traffic has ended. Everything stays up until Ctrl-C.");
        interrupted().await?;
    }
    Ok(())
}

struct Traffic {
    tally: Tally,
    learned: Tally,
    measured_from: Timestamp,
    ended: Timestamp,
    lasted: Duration,
    interrupted: bool,
}

async fn run(script: &mut Script, rig: &mut Rig) -> Result<Traffic> {
    let (stop, stopped) = watch::channel(false);
    let (sink, mut outcomes) = mpsc::unbounded_channel();
    let schedule = std::mem::replace(&mut script.schedule, Box::new(std::iter::empty()));
    let (client, limits) = (rig.client.clone(), script.limits);
    // The channel of outcomes ends when the last request has its outcome.
    tokio::spawn(async move { load::drive(&client, schedule, limits, stopped, sink).await });

    let started = Instant::now();
    let mut tally = Tally::new(script.cast.len());
    let (mut shown, mut learned) = (tally.clone(), tally.clone());
    let mut learning = true;
    let (mut measured_from, mut interrupted_by_user) = (Timestamp::now(), false);
    let mut show = interval_at(started + board::PERIOD, board::PERIOD);
    let signal = interrupted();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            outcome = outcomes.recv() => match outcome {
                Some(done) => tally.count(done),
                None => break,
            },
            _ = show.tick() => {
                rig.envoy.process().check()?;
                if let Some(forecaster) = &mut rig.forecaster {
                    forecaster.process().check()?;
                }
                board::show(script, rig, started.elapsed(), &shown, &tally).await?;
                shown = tally.clone();
            }
            () = sleep_until(started + script.learning), if learning => {
                learning = false;
                (measured_from, learned) = (Timestamp::now(), tally.clone());
            }
            _ = &mut signal, if !interrupted_by_user => {
                println!("\nstopping the traffic; Ctrl-C again to end at once");
                interrupted_by_user = true;
                stop.send_replace(true);
            }
        }
    }
    let (ended, lasted) = (Timestamp::now(), started.elapsed());
    Ok(Traffic { tally, learned, measured_from, ended, lasted, interrupted: interrupted_by_user })
}

async fn close(script: &Script, rig: &Rig, traffic: &Traffic) -> Result<()> {
    println!("\ntraffic ended after {:.0} s; waiting for the last reports", traffic.lasted.as_secs_f64());
    // The step in which the traffic ended must be closed before it can be judged.
    sleep(2 * STEP).await;
    let mut accuracy = Vec::new();
    for one in &script.cast {
        let prediction = rig.forecaster()?.predict(&one.key, &script.watched).await;
        let judge = |recent: &[_]| Accuracy::of(recent, STEP, traffic.measured_from, traffic.ended);
        accuracy.push(prediction.ok().and_then(|prediction| judge(&prediction.recent)));
    }
    let books = Books::close(script, rig, &traffic.tally).await?;
    let verdict = books.verdict();
    let seconds = traffic.lasted.as_secs_f64();
    let summary = Summary::new(script, seconds, &traffic.learned, &traffic.tally, &accuracy, books);
    summary.print();
    summary.write(rig.folder())?;
    verdict
}
