//! The interface `sync`: what the frames of the sync stream mean. Signatures are checked here, so the host needs no key.

use tidegate_core::{
    report::Report,
    sync::{Hello, Kind, PROTOCOL, ReportAck, TableAck, Welcome},
    table::Table,
    transfer::{Announcement, Assembly, Chunk, TransferError},
};

use crate::{
    bindings::{
        Policy as Component,
        exports::tidegate::admission::sync::{Acknowledgement, Guest, Message},
    },
    state,
};

impl Guest for Component {
    fn address() -> Option<String> {
        state::with(|state| Some(state.policy.config()?.forecaster.as_ref()?.cluster.clone()))
    }

    fn hello(boot: u64, epoch: u64, snapshot_epoch: u64) -> Option<Vec<u8>> {
        state::with(|state| {
            let config = state.policy.config()?;
            let forecaster = config.forecaster.as_ref()?;
            let hello = Hello {
                protocol: PROTOCOL,
                proxy: config.proxy.clone(),
                boot,
                token: forecaster.token.clone(),
                table_epoch: epoch,
                snapshot_epoch,
                table_format: Table::FORMAT,
                report_format: Report::FORMAT,
                resources: config.resources.iter().map(|rule| rule.name.clone()).collect(),
            };
            state.assembly = Assembly::new(forecaster.public_key);
            Some(hello.encode())
        })
    }

    fn receive(kind: i32, payload: Vec<u8>) -> Message {
        match Kind::from_i32(kind) {
            Some(Kind::Welcome) => welcome(&payload),
            Some(Kind::ReportAck) => match ReportAck::decode(&payload) {
                Ok(ReportAck { boot, seq }) => Message::Acknowledged(Acknowledgement { boot, seq }),
                Err(error) => Message::Unknown(error.to_string()),
            },
            Some(Kind::Announcement) => transfer(|assembly| {
                assembly.announce(&Announcement::decode(&payload)?)?;
                Ok(None)
            }),
            Some(Kind::Chunk) => transfer(|assembly| assembly.add(&Chunk::decode(&payload)?)),
            _ => Message::Unknown(format!("frames of kind {kind} are not for a proxy")),
        }
    }

    fn acknowledge_table(epoch: u64, snapshot_epoch: u64, error: Option<String>) -> Vec<u8> {
        TableAck { epoch, snapshot_epoch, error }.encode()
    }
}

fn welcome(payload: &[u8]) -> Message {
    match Welcome::decode(payload) {
        Ok(welcome) if welcome.protocol == PROTOCOL => Message::Welcome(welcome.report_interval_ms),
        Ok(welcome) => {
            Message::Hopeless(format!("the forecaster speaks protocol {}, not {PROTOCOL}", welcome.protocol))
        }
        Err(error) => Message::Hopeless(error.to_string()),
    }
}

fn transfer(step: impl FnOnce(&mut Assembly) -> Result<Option<Vec<u8>>, TransferError>) -> Message {
    match state::with(|state| step(&mut state.assembly)) {
        Ok(Some(table)) => Message::Table(table),
        Ok(None) => Message::Nothing,
        Err(error) => Message::BadTable(error.to_string()),
    }
}
