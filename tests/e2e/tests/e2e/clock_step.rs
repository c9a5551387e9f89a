//! The clocks of forecaster and proxy part: the forecaster's is set an hour ahead and back again, under traffic.
//!
//! Plans are stamped by the forecaster's clock and obeyed by the proxy's, so this is also what the proxy sees when its own
//! clock is set. (Envoy itself does not run under libfaketime; the core's property tests step its clock.)

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use tidegate_e2e::{binaries::Binaries, folder, forecaster::Forecaster, rig::Rig};
use tokio::time::sleep;

use crate::world::{self, SOON, Stream};

#[tokio::test]
async fn traffic_goes_on_and_every_request_is_counted_once() -> Result<()> {
    let _turn = world::turn().await?;
    let Some(library) = faketime() else {
        println!("skipped: libfaketime is not installed (Debian's package faketime)");
        return Ok(());
    };
    let config = world::forecaster()?;
    let mut plan = world::plan("clock-step", world::plugin(&world::requests()), config.clone());
    plan.forecaster = None;
    let mut rig = Rig::start(&plan).await?;
    let folder = folder::fresh("e2e/clock-step-forecaster")?;
    let clock = folder.join("clock");
    fs::write(&clock, "+0")?;
    let binary = stepped(&Binaries::find()?.forecaster, &library, &clock, &folder)?;
    rig.forecaster = Some(Forecaster::start(&binary, &config, &folder).await?);
    let first = world::first_table(&rig, "acme").await?;
    let rig = &rig;

    let streams = [Stream { customer: "acme", per_s: 20.0 }, Stream { customer: "globex", per_s: 10.0 }];
    let (outcomes, epochs) = tokio::join!(world::traffic(rig, &streams, Duration::from_secs(14)), async {
        sleep(Duration::from_secs(3)).await;
        fs::write(&clock, "+1h")?;
        let ahead = rig.table_after(first + 3_500_000, SOON).await?;
        sleep(Duration::from_secs(2)).await;
        fs::write(&clock, "+0")?;
        let back = rig.table_after(ahead + 1, SOON).await?;
        anyhow::Ok((ahead, back))
    });
    let (ahead, back) = epochs?;
    assert!(back > ahead, "epochs rise even when the clock is set back");
    let mut sent = 1;
    for stream in &outcomes {
        assert!(stream.failures.is_empty(), "{:?}", stream.failures);
        assert!(stream.admitted_share() > 0.95, "{} of {}", stream.admitted(), stream.answers.len());
        sent += stream.answers.len() as u64;
    }
    rig.requests_in_database("requests", sent, SOON).await?;
    sleep(Duration::from_secs(4)).await;
    let usage = rig.forecaster()?.usage().await?;
    assert_eq!(usage.sum("requests", |total| total.requests_offered), sent, "{usage:?}");
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_tables_total.result.rejected"), 0);
    Ok(())
}

fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|library| library.is_file())
}

/// The forecaster under a wall clock that the file `clock` offsets; its monotonic clock stays.
fn stepped(forecaster: &Path, library: &Path, clock: &Path, folder: &Path) -> Result<PathBuf> {
    let script = folder.join("forecaster.sh");
    let text = format!(
        "#!/bin/sh\nexport FAKETIME_TIMESTAMP_FILE='{}' FAKETIME_NO_CACHE=1\n\
         export DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1\nLD_PRELOAD='{}' exec '{}' \"$@\"\n",
        clock.display(),
        library.display(),
        forecaster.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}
