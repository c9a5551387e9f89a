//! Keys that only Envoy knows: claims of verified tokens, attributes, addresses.

use anyhow::Result;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use tidegate_e2e::{envoy::Extra, load::Ask, rig::Rig, wait};

use crate::world::{self, SOON};

/// A rig whose plugin builds keys of `key`, where `customer` is gold and nobody else.
async fn rig(name: &str, key: Value, customer: &str, extra: &Extra) -> Result<Rig> {
    let mut plugin = world::plugin(&world::requests());
    if let Some(members) = plugin.as_object_mut() {
        members.insert("key".into(), key);
    }
    let mut forecaster = world::forecaster()?;
    forecaster.customers = vec![world::customer(customer, "gold")];
    Rig::start_with(&world::plan(name, plugin, forecaster), extra).await
}

/// Waits until whoever asks so is of this tier.
async fn is_of(rig: &Rig, ask: &Ask, tier: &str) -> Result<()> {
    wait::until(&format!("{ask:?} is {tier}"), SOON, || async {
        Ok(rig.client.ask(ask).await?.tier.filter(|told| told == tier).map(drop))
    })
    .await
}

/// Base64 for URLs (RFC 4648, section 5), without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        let digit = |at: usize| {
            DIGITS.get((group >> (18 - 6 * at)) as usize & 63).map_or('?', |digit| char::from(*digit))
        };
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

fn token(key: &SigningKey, claims: &Value) -> String {
    let head = base64url(json!({ "alg": "EdDSA", "kid": "1", "typ": "JWT" }).to_string().as_bytes());
    let signed = format!("{head}.{}", base64url(claims.to_string().as_bytes()));
    let signature = base64url(&key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

/// Envoy verifies tokens of this key, and leaves their claims in the request's metadata.
fn verified_by(key: &SigningKey) -> Extra {
    let point = base64url(key.verifying_key().as_bytes());
    let keys =
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "1", "x": point }] });
    let filters = format!(
        "          - name: envoy.filters.http.jwt_authn
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                ours:
                  issuer: https://issuer.example
                  local_jwks: {{ inline_string: '{keys}' }}
                  payload_in_metadata: payload
              rules:
              - match: {{ prefix: / }}
                requires: {{ requires_any: {{ requirements: [{{ provider_name: ours }}, {{ allow_missing: {{}} }}] }} }}
"
    );
    Extra { filters, ..Extra::default() }
}

#[tokio::test]
async fn a_claim_of_a_verified_token_is_the_key() -> Result<()> {
    let _turn = world::turn().await?;
    let key = SigningKey::from_bytes(&[7; 32]);
    let rig = rig("jwt", json!([{ "jwt_claim": "org.id" }]), "acme", &verified_by(&key)).await?;
    let of = |key: &SigningKey, org: &str| {
        let claims =
            json!({ "iss": "https://issuer.example", "exp": 4_000_000_000_u64, "org": { "id": org } });
        // The header that usually tells the customer says something else.
        Ask::of("somebody").with("authorization", &format!("Bearer {}", token(key, &claims)))
    };
    is_of(&rig, &of(&key, "acme"), "gold").await?;
    is_of(&rig, &of(&key, "globex"), "bronze").await?;
    let forged = rig.client.ask(&of(&SigningKey::from_bytes(&[8; 32]), "acme")).await?;
    assert_eq!(forged.status, 401, "{forged:?}");
    let before = rig.envoy.stats().await?.plugin("tidegate_key_missing_total");
    assert_eq!(
        rig.client.ask(&Ask::of("acme")).await?.tier.as_deref(),
        Some("bronze"),
        "no token, no customer"
    );
    assert_eq!(rig.envoy.stats().await?.plugin("tidegate_key_missing_total"), before + 1);
    Ok(())
}

#[tokio::test]
async fn the_address_of_the_client_is_the_key() -> Result<()> {
    let _turn = world::turn().await?;
    let key = json!([{ "source_address": true }, { "constant": "eu" }]);
    let rig = rig("source-address", key, "127.0.0.1|eu", &Extra::default()).await?;
    is_of(&rig, &Ask::of("whoever"), "gold").await
}

#[tokio::test]
async fn any_attribute_of_envoy_is_the_key() -> Result<()> {
    let _turn = world::turn().await?;
    let key = json!([{ "property": ["request", "host"] }, { "property": ["xds", "route_name"] }]);
    let routes = "              - name: chat
                match: { prefix: /chat }
                route: { cluster: upstream }
";
    let extra = Extra { routes: routes.into(), ..Extra::default() };
    let rig = rig("attributes", key, "api.example|chat", &extra).await?;
    let ask = |path: &str| Ask::of("whoever").at(path).with("host", "api.example");
    is_of(&rig, &ask("/chat"), "gold").await?;
    let other = rig.client.ask(&ask("/other")).await?;
    assert_eq!(other.tier.as_deref(), Some("bronze"), "that route has no name, so the key is not complete");
    Ok(())
}
