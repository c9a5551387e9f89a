//! Generates the sync protocol's types from `proto/sync.proto`, without a protobuf compiler on the machine.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/sync.proto");
    let files = protox::compile(["proto/sync.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(files)?;
    Ok(())
}
