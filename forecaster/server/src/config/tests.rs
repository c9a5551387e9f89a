//! Files that are right, files that are wrong, and what is said about them.

use tidegate_core::{table::Contract, units::MicroRate};

use super::*;

const FULL: &str = r#"
listen: 127.0.0.1:7080
database: data/tidegate.db
token: "${TIDEGATE_TOKEN}"
report_interval_s: 0.1
retention_days: 7
max_keys: 5000
forecast: { step_s: 0.2, horizon_steps: 10, season_s: 2, model: seasonal-naive }
draw_order: shadow-first
resources:
  requests: { capacity_per_s: 500, burst: 500, safe_capacity_per_s: 400, reservable_share: 0.5 }
  llm_tokens: { capacity_per_s: 90000.5, burst: 100000 }
tiers:
  gold: { weight: 8, floor: 0.0, risk_quantile: 0.9, price_per_month: 900, contract: { requests: { rate_per_s: 100, burst: 200 } } }
  bronze: { weight: 1, floor: 0.3, max_delay_ms: 50 }
default_tier: bronze
customers:
  acme: { tier: gold, contract: { llm_tokens: { rate_per_s: 150, burst: 300 } } }
  4711: { tier: bronze }
"#;

fn environment(name: &str) -> Option<String> {
    (name == "TIDEGATE_TOKEN").then(|| "secret".to_owned())
}

fn problems(text: &str) -> Vec<String> {
    parse(text, Path::new("/etc"), &|_| None)
        .map(|_| Vec::new())
        .unwrap_or_else(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_full_file_means_what_it_says() {
    let config = parse(FULL, Path::new("/etc/tidegate"), &environment).unwrap();
    assert_eq!(config.database, Path::new("/etc/tidegate/data/tidegate.db"));
    assert!(config.token.as_ref().is_some_and(|token| token.matches("secret") && !token.matches("secre")));
    assert_eq!((config.report_interval_ms, config.forecast.step_ms), (100, 200));
    assert_eq!((config.forecast.season_steps, config.forecast.horizon_steps), (10, 10));
    assert_eq!((config.retention_days, config.max_keys), (7, 5000));
    assert_eq!(config.draw_order, DrawOrder::ShadowFirst);
    let [requests, tokens] = &config.resources[..] else { panic!("two resources were given") };
    assert_eq!((requests.safe_capacity_per_s, tokens.safe_capacity_per_s), (400.0, 90000.5));
    assert_eq!((requests.reservable_share, tokens.reservable_share), (0.5, 0.0));
    assert_eq!(config.tiers[1].policy.tier.floor_permille, 300);
    assert_eq!(config.default_tier, 1);
    let contract = Contract { rate: MicroRate(150_000_000), burst: 300 };
    assert_eq!(config.customers["acme"].contracts, [None, Some(contract)]);
    assert_eq!(config.customers["4711"].tier, 1);
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn a_short_file_gets_defaults() {
    let text = "resources: { requests: { capacity_per_s: 5, burst: 5 } }\ntiers: { standard: {} }\n";
    let config = parse(text, Path::new("/etc"), &|_| None).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:7080");
    assert_eq!((config.forecast.step_ms, config.forecast.season_steps), (60_000, 1440));
    assert!(config.token.is_none());
}

#[test]
fn every_problem_is_told_with_its_line() {
    let text = "\
listen: somewhere
report_interval_s: 10
forecast:
  step_s: 25
  horizon: 15
resources:
  requests: { capacity_per_s: -5 }
tiers:
  gold: { weight: heavy, contract: { tokens: { rate_per_s: 1, burst: 1 } } }
default_tier: bronze
customers:
  acme: { tier: silver }
token: ${NOT_SET}
";
    let told = problems(text);
    let expected = [
        "line 1: listen: `somewhere` is no address",
        "line 4: forecast.step_s: is 25000 ms; give a multiple of report_interval_s",
        "line 5: forecast.horizon: is unknown; remove it",
        "line 7: resources.requests.capacity_per_s: is the number -5; give tokens per second",
        "line 7: resources.requests.burst: is missing",
        "line 9: tiers.gold.weight: is the text `heavy`",
        "line 9: tiers.gold.contract.tokens: there is no such resource",
        "line 10: default_tier: there is no tier `bronze`; give gold",
        "line 12: customers.acme.tier: there is no tier `silver`; give gold",
        "line 13: token: environment variable NOT_SET is not set",
    ];
    for problem in expected {
        assert!(told.iter().any(|told| told.starts_with(problem)), "{problem}\nnot in {told:#?}");
    }
}

#[test]
fn heavy_models_have_a_budget_where_there_is_a_bank_for_them() {
    let with = |forecast: &str| {
        format!(
            "resources: {{ requests: {{ capacity_per_s: 5, burst: 5 }} }}\ntiers: {{ gold: {{}} }}\nforecast:\n{forecast}"
        )
    };
    let text = with("  model: auto\n  heavy_share: 0.2\n  heavy_keys: 7\n");
    let config = parse(&text, Path::new("/etc"), &|_| None).unwrap();
    assert_eq!((config.forecast.heavy_share, config.forecast.heavy_keys), (0.2, 7));
    let wrong = |forecast: &str| -> Vec<String> {
        let problems = parse(&with(forecast), Path::new("/etc"), &|_| None).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        wrong("  model: auto\n  heavy_share: 2\n  heavy_keys: 1.5\n"),
        [
            "line 5: forecast.heavy_share: is the number 2; give a share of one core between 0 and 0.9",
            "line 6: forecast.heavy_keys: is the number 1.5; give a whole number from 0 to 10000; each takes up to 50 KiB",
        ]
    );
    assert_eq!(
        wrong("  model: naive\n  heavy_share: 0.1\n  heavy_keys: 0\n"),
        ["line 5: forecast.heavy_share: is given, but only `auto` takes heavy models in; give `model: auto`"]
    );
}

#[test]
fn what_is_held_has_a_burst_and_no_rate() {
    let text = "\
resources:
  requests: { capacity_per_s: 5, burst: 5, alternatives: [in_flight, spare] }
  in_flight: { kind: held, burst: 20, hold_s: 2.5, emergency_share: 0.1, emergency_max_share: 0.3 }
  spare: { kind: rate, capacity_per_s: 7, burst: 9, planned_floors: true, alternatives: [requests] }
tiers: { standard: { contract: { in_flight: { burst: 3 } } } }
";
    let config = parse(text, Path::new("/etc"), &|_| None).unwrap();
    let [requests, in_flight, spare] = &config.resources[..] else { panic!("three resources were given") };
    assert_eq!((&requests.alternatives[..], &spare.alternatives[..]), (&[1, 2][..], &[0][..]));
    assert!(in_flight.held && !requests.held && !spare.held);
    assert_eq!((in_flight.capacity_per_s, in_flight.safe_capacity_per_s, in_flight.hold_s), (0.0, 0.0, 2.5));
    assert_eq!((in_flight.emergency_share, in_flight.emergency_max_share), (0.1, 0.3));
    assert!(spare.planned_floors && !requests.planned_floors);
    let contract = Contract { rate: MicroRate(0), burst: 3 };
    assert_eq!(config.tiers[0].policy.tier.contracts, [None, Some(contract), None]);
}

#[test]
fn wrong_resources_are_told_with_line_and_key() {
    let text = "\
resources:
  requests:
    capacity_per_s: 5
    burst: 5
    hold_s: 1
    alternatives:
      - spare
      - spare
      - nowhere
      - 7
      - requests
  spare: { kind: held, capacity_per_s: 5, safe_capacity_per_s: 4, burst: 2, alternatives: requests }
  other: { kind: leased, capacity_per_s: 5, burst: 2, emergency_share: 0.5, emergency_max_share: 0.2 }
  huge: { capacity_per_s: 1000000001, burst: 1099511627777 }
tiers: { standard: { contract: { spare: { rate_per_s: 5, burst: 3 } } } }
";
    let told = problems(text);
    let expected = [
        "line 5: resources.requests.hold_s: is given, but only what is held has it",
        "line 8: resources.requests.alternatives: `spare` is given twice; remove one",
        "line 9: resources.requests.alternatives: there is no resource `nowhere`; give spare or other or huge",
        "line 10: resources.requests.alternatives: has the number 7 in it; give text",
        "line 11: resources.requests.alternatives: `requests` is no alternative to itself; remove it",
        "line 12: resources.spare.capacity_per_s: is given, but what is held has no rate",
        "line 12: resources.spare.safe_capacity_per_s: is given, but what is held has no rate",
        "line 12: resources.spare.alternatives: is the text `requests`; give a list, such as [one, two]",
        "line 13: resources.other.kind: `leased` does not exist; give rate or held",
        "line 13: resources.other.emergency_max_share: is less than emergency_share; give at least as much",
        "line 14: resources.huge.capacity_per_s: is the number 1000000001; give tokens per second",
        "line 14: resources.huge.burst: is the number 1099511627777; give a whole number of tokens",
        "line 15: tiers.standard.contract.spare.rate_per_s: is given, but what is held has no rate",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{expected}\nnot in {told:#?}");
    }
}

#[test]
fn the_largest_numbers_that_a_file_may_give_make_a_table_that_proxies_accept() {
    let text = "\
resources: { requests: { capacity_per_s: 1000000000, burst: 1099511627776, emergency_share: 1 } }
tiers: { standard: { weight: 1000000, contract: { requests: { rate_per_s: 1000000000, burst: 1099511627776 } } } }
";
    let config = parse(text, Path::new("/etc"), &|_| None).unwrap();
    let learner = tidegate_learn::Learner::new(&config.learning(), 1);
    let table = tidegate_core::plan::plan(&tidegate_learn::plan_input(&config.policy(), &learner, 1, 1));
    assert_eq!(table.check(), Ok(()));
}

#[test]
fn a_misspelt_key_is_told_with_the_right_one() {
    let told = problems("resorces: {}\ntiers: { standard: {} }\n");
    assert!(
        told.iter().any(|told| told.contains("resorces: is unknown; did you mean `resources`?")),
        "{told:?}"
    );
}

#[test]
fn an_address_open_to_other_hosts_needs_both_tokens() {
    let rest = "resources: { requests: { capacity_per_s: 5, burst: 5 } }\ntiers: { standard: {} }\n";
    let open = format!("listen: 0.0.0.0:7080\n{rest}");
    let told = problems(&open);
    assert!(told.iter().any(|told| told.contains("token: is missing")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("api_token: is missing")), "{told:?}");
    assert_eq!(problems(&format!("token: a\napi_token: b\n{open}")), Vec::<String>::new());
}

#[test]
fn an_empty_file_and_a_wrong_shape_are_told() {
    assert_eq!(problems("").len(), 2, "{:?}", problems(""));
    assert!(!problems("- a\n- b\n").is_empty());
    assert!(!problems("resources: 5\ntiers: x\n").is_empty());
}

#[test]
fn a_file_may_be_as_long_as_half_a_million_customers_need() {
    let told = problems(&format!("resources: {{}}\njunk: [{}]\n", "1,".repeat(300_000)));
    assert!(told.iter().any(|told| told == "line 2: junk: is unknown; remove it"), "{told:?}");
}

#[test]
fn a_secret_is_not_repeated_in_a_problem() {
    let told = problems(
        "token: 12345\nresources: { r: { capacity_per_s: 5, burst: 5 } }\ntiers: { standard: {} }\n",
    );
    assert_eq!(told, ["line 1: token: is no text; put it in quotes"]);
}

#[test]
fn usage_is_kept_for_two_seasons_at_least() {
    let told = problems(
        "retention_days: 13\nforecast: { step_s: 60, season_s: 604800 }\n\
         resources: { r: { capacity_per_s: 5, burst: 5 } }\ntiers: { standard: {} }\n",
    );
    assert!(
        told.len() == 1 && told[0].starts_with("line 1: retention_days: is 13; give at least 14"),
        "{told:?}"
    );
}

#[test]
fn events_are_those_of_customers_that_exist() {
    let text = "resources: { requests: { capacity_per_s: 10, burst: 10 } }
tiers: { gold: {}, bronze: {} }
customers: { acme: { tier: gold }, zeta: { tier: gold }, tiny: { tier: bronze } }
forecast:
  events:
    launch: { starts_at: 2026-11-27T09:00:00Z, duration_s: 7200, tiers: [gold] }
    backup: { starts_at: '2026-11-22T03:00:00+01:00', duration_s: 60, every_s: 86400 }
default_tier: bronze
";
    let config = parse(text, Path::new("/"), &environment).unwrap();
    assert_eq!(config.forecast.events.len(), 2);
    let wrong =
        text.replace("[gold]", "[gould], customers: [nobody]").replace("every_s: 86400", "every_s: 60");
    let wrong = wrong.replace("2026-11-27T09:00:00Z", "tomorrow");
    assert_eq!(
        problems(&wrong),
        [
            "line 6: forecast.events.launch.starts_at: `tomorrow` is no time; give one with a zone, such as \
             2026-11-27T09:00:00Z",
            "line 6: forecast.events.launch.customers: there is no customer `nobody`; name it under customers",
            "line 6: forecast.events.launch.tiers: there is no tier `gould`; name it under tiers",
            "line 7: forecast.events.backup.every_s: give seconds from 60 to 31622400, such as 604800 for a week, and \
             more than duration_s",
        ]
    );
}
