//! A demo from start to end: set the stage, let the traffic run, wait for the last reports, compare the books.

use std::{pin::Pin, time::Duration};

use anyhow::{Result, bail};
use jiff::Timestamp;
use tidegate_e2e::{
    arena::{Arena, ArmKind},
    load::{self, Client},
    process::interrupted,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use crate::{
    accuracy::Accuracy,
    board,
    books::Books,
    pace::Pace,
    screen::Keys,
    script::{STEP, Script},
    summary::{Arm, Run},
    tally::Tally,
    view::View,
};

/// Plays a script and closes its books, whatever they say.
pub(crate) async fn play(mut script: Script) -> Result<Run> {
    let mut arena = tokio::select! {
        arena = Arena::start(&script.folder, &script.arms) => arena?,
        _ = interrupted() => bail!("interrupted before it began"),
    };
    board::introduce(&script, &arena)?;
    let traffic = run(&mut script, &mut arena).await?;
    let played = tokio::select! {
        closed = close(&script, &arena, &traffic) => closed?,
        _ = interrupted() => bail!("interrupted before the books were closed"),
    };
    if script.once && traffic.interrupted {
        bail!("interrupted");
    }
    if !script.once && !traffic.interrupted {
        println!("\nThe traffic has ended. Everything stays up until Ctrl-C.");
        interrupted().await?;
    }
    Ok(played)
}

/// What the client knows at the end of the traffic.
struct Traffic {
    tallies: Vec<Tally>,
    pace: Pace,
    measured_from: Timestamp,
    ended: Timestamp,
    lasted: Duration,
    interrupted: bool,
}

async fn run(script: &mut Script, arena: &mut Arena) -> Result<Traffic> {
    let (stop, stopped) = watch::channel(false);
    let (sink, mut outcomes) = mpsc::unbounded_channel();
    let schedule = std::mem::replace(&mut script.schedule, Box::new(std::iter::empty()));
    let clients: Vec<Client> = arena.arms.iter().map(|arm| arm.client.clone()).collect();
    let limits = script.limits;
    // The channel of outcomes ends when the last request has its outcome.
    tokio::spawn(async move { load::drive_all(&clients, schedule, limits, stopped, sink).await });

    let started = Instant::now();
    let measured_from = Timestamp::now() + script.learning;
    let native = |kind: &ArmKind| matches!(kind, ArmKind::Local(_));
    let tally = |arm: &tidegate_e2e::arena::ArmPlan| {
        Tally::new(script.cast.len(), script.learning, native(&arm.kind))
    };
    let mut tallies: Vec<Tally> = script.arms.iter().map(tally).collect();
    let (mut pace, mut interrupted_by_user) = (Pace::default(), false);
    let (mut view, mut keys) = View::open(script.cast.len())?;
    let mut show = interval_at(started + view.period(), view.period());
    show.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let signal = interrupted();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            outcome = outcomes.recv() => match outcome {
                Some(done) => {
                    pace.count(&done);
                    tallies.get_mut(done.client).into_iter().for_each(|tally| tally.count(&done));
                }
                None => break,
            },
            _ = show.tick() => {
                arena.check()?;
                view.show(script, arena, started.elapsed(), &tallies).await?;
            }
            () = asked_to_end(&mut signal, &mut keys), if !interrupted_by_user => {
                interrupted_by_user = true;
                stop.send_replace(true);
                if matches!(view, View::Lines(_)) {
                    println!("\nstopping the traffic; Ctrl-C again to end at once");
                }
            }
        }
    }
    let (ended, lasted) = (Timestamp::now(), started.elapsed());
    Ok(Traffic { tallies, pace, measured_from, ended, lasted, interrupted: interrupted_by_user })
}

/// By a signal or by a key.
async fn asked_to_end(signal: &mut Pin<&mut impl Future<Output = Result<()>>>, keys: &mut Keys) {
    tokio::select! {
        _ = signal => {}
        () = keys.quit() => {}
    }
}

async fn close(script: &Script, arena: &Arena, traffic: &Traffic) -> Result<Run> {
    println!("\ntraffic ended after {:.0} s; waiting for the last reports", traffic.lasted.as_secs_f64());
    // The step in which the traffic ended must be closed before it can be judged.
    sleep(2 * STEP).await;
    let learned = traffic.lasted > script.learning;
    let mut arms = Vec::new();
    for (position, (running, tally)) in arena.arms.iter().zip(&traffic.tallies).enumerate() {
        let mut accuracy = Vec::new();
        for one in &script.cast {
            let Some(forecaster) = &running.forecaster else { continue };
            let prediction = forecaster.predict(&one.key, &script.watched).await;
            let judge = |recent: &[_]| Accuracy::of(recent, STEP, traffic.measured_from, traffic.ended);
            accuracy.push(prediction.ok().and_then(|prediction| judge(&prediction.recent)));
        }
        let tuned = script.tuned.get(position).cloned().flatten();
        arms.push(Arm::new(script, running.name, tuned, tally, &accuracy, learned));
    }
    let books = Books::close(script, arena, &traffic.tallies).await?;
    Ok(Run::new(script, traffic.lasted, traffic.pace.figures(), arms, books))
}
