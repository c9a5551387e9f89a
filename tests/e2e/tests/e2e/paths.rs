//! Rules see the path that Envoy sees, which is not what the upstream makes of it unless Envoy resolves it before: what the options of
//! its connection manager are for.

use anyhow::Result;
use serde_json::json;
use tidegate_e2e::{envoy::Extra, load::Ask, rig::Rig};

use crate::world;

const OPTIONS: &str = "          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT
";

#[tokio::test]
async fn a_path_that_is_not_resolved_passes_as_a_probe() -> Result<()> {
    let _turn = world::turn().await?;
    // What is under /v1 costs more than there is, and probes nothing.
    let rules = json!([
        { "name": "probes", "match": { "path_prefix": "/health" }, "skip": true },
        { "name": "dear", "match": { "path_prefix": "/v1" }, "costs": { "requests": 1_000_000 } },
    ]);
    let resources = json!({ "requests": { "cost": 0, "safe_capacity_per_s": 0.001, "safe_burst": 1 } });
    let plan = world::alone("paths", &resources, &json!({ "rules": rules }))?;
    for (options, expected) in [(OPTIONS, [200, 503, 503, 503, 307]), ("", [200, 503, 200, 200, 200])] {
        let rig = Rig::start_with(&plan, &Extra { options: options.into(), ..Extra::default() }).await?;
        let mut statuses = Vec::new();
        for path in ["/health", "/v1", "/health/../v1", "//v1", "/health%2F..%2Fv1"] {
            statuses.push(rig.client.ask(&Ask::of("acme").at(path)).await?.status);
        }
        assert_eq!(statuses, expected, "with {options:?}");
        let passed = expected.iter().filter(|status| **status == 200).count() as u64;
        assert_eq!(rig.upstream.served(), passed);
    }
    Ok(())
}
