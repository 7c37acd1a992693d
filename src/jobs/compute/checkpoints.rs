//! Where fits stood when a training was killed: one file each, good only for the same bars, settings, build and device.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    jobs::context::{Context, Failure},
    model::train::FitState,
    store::disk::{Disk as _, DiskResult},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.checkpoint/1";

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    key: String,
    state: FitState,
}

/// The checkpoints of one training.
pub struct Checkpoints<'a, 'c> {
    context: &'a Context<'c>,
    dir: PathBuf,
    key: String,
}

impl<'a, 'c> Checkpoints<'a, 'c> {
    /// Those of the running job. `key` names everything that its fits depend on.
    pub fn open(context: &'a Context<'c>, key: String) -> Result<Self, Failure> {
        let dir = context.layout.train_state(&context.job);
        context.disk.create_dir_all(&dir)?;
        context.disk.clean_temps(&dir)?;
        Ok(Self { context, dir, key })
    }

    /// Where a fit stood on a device; `None` when it has to start. One of other inputs, and one that cannot be read, does not count.
    pub fn load(&self, fit: &str, device: &str) -> Result<Option<FitState>, Failure> {
        let path = self.path(fit);
        let Some(bytes) = self.context.disk.read(&path)? else { return Ok(None) };
        let document: Document = match serde_json::from_slice(&bytes) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!("{}: {error}; the fit starts from the beginning", path.display());
                return Ok(None);
            }
        };
        let fits = document.schema == SCHEMA && document.key == self.key_on(device);
        if !fits {
            tracing::info!(
                "{}: of other bars, settings, build or device; the fit starts from the beginning",
                path.display()
            );
        }
        Ok(fits.then_some(document.state))
    }

    /// Keeps where a fit on a device stands.
    pub fn save(&self, fit: &str, device: &str, state: &FitState) -> DiskResult<()> {
        let (schema, key) = (SCHEMA.to_owned(), self.key_on(device));
        let document = Document { schema, key, state: state.clone() };
        let text = serde_json::to_vec(&document).expect("plain values serialise");
        self.context.disk.replace(&self.path(fit), &text)
    }

    /// Takes one away: the device on which the fit stood there is not to be trusted.
    pub fn forget(&self, fit: &str) -> DiskResult<()> {
        let path = self.path(fit);
        let is_there = self.context.disk.len(&path)?.is_some();
        if is_there { self.context.disk.remove(&path) } else { Ok(()) }
    }

    /// Takes away all that one device has left, other fits' too: its numbers are wrong.
    pub fn distrust(&self, device: &str) -> Result<(), Failure> {
        for name in self.context.disk.list(&self.dir)? {
            let path = self.dir.join(name);
            let bytes = self.context.disk.read(&path)?.unwrap_or_default();
            let by_another = serde_json::from_slice::<Document>(&bytes)
                .is_ok_and(|document| document.key != self.key_on(device));
            if !by_another {
                self.context.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Takes them away: the training is done.
    pub fn clear(self) -> Result<(), Failure> {
        for name in self.context.disk.list(&self.dir)? {
            self.context.disk.remove(&self.dir.join(name))?;
        }
        Ok(self.context.disk.remove_dir(&self.dir)?)
    }

    /// Devices come to other bits: what one has begun, no other one goes on with.
    fn key_on(&self, device: &str) -> String {
        format!("{} on {device}", self.key)
    }

    fn path(&self, fit: &str) -> PathBuf {
        self.dir.join(format!("{fit}.json"))
    }
}
