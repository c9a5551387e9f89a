//! A component made of the module that the compiler leaves: validated, and importing nothing but its own package.

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm, decode};

/// What the world may import is of this package.
const PACKAGE: &str = "tidegate:admission/";

/// Wraps a module in the component that its own type section describes.
pub(super) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(module).context("the module describes no component")?;
    let component = encoder.encode().context("the module makes no component")?;
    let foreign: Vec<String> =
        imports(&component)?.into_iter().filter(|import| !import.starts_with(PACKAGE)).collect();
    if !foreign.is_empty() {
        bail!("the component imports {}, which the world `policy` does not have", foreign.join(", "));
    }
    Ok(component)
}

/// What a host would have to provide.
fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = decode(component).context("no component")? else {
        bail!("a package of interfaces instead of a component");
    };
    let world = resolve.worlds.get(world).context("a component without a world")?;
    Ok(world.imports.keys().map(|name| resolve.name_world_key(name)).collect())
}
