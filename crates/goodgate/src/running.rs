//! What the signals act on: reload, drain, end.

use std::collections::HashMap;
use std::sync::Arc;

use config::{Candidate, Snapshot};
use gateway::gate::Shared;
use gateway::journal::access_log::AccessLog;
use gateway::reload::{self, StoredKey};
use gateway::serve::Server;
use gateway::serve::drain::Stage;
use tokio::sync::mpsc;
use types::ProviderId;

use crate::drain::{self, Reason};
use crate::error::ServeError;
use crate::handover::offer::Successor;
use crate::handover::successor;
use crate::notify::Supervisor;
use crate::probe::{self, Shown};
use crate::screen::{self, Screen};
use crate::settings::{Facts, Settings};
use crate::signals::{Signals, Wish};

/// What is told at the start.
#[derive(Debug)]
pub(crate) struct Start {
    /// What a person sees; nothing where another gateway has been taken over from, whose screen it would be.
    pub(crate) screen: Option<Screen>,
    pub(crate) facts: Option<Facts>,
    pub(crate) access_log: AccessLog,
    pub(crate) supervisor: Supervisor,
}

/// What the signals act on.
#[derive(Debug)]
pub(crate) struct Running {
    settings: Settings,
    shared: Arc<Shared>,
    client: upstream::Client,
    listed: HashMap<ProviderId, Vec<String>>,
    answered: Vec<Candidate>,
    stored: Vec<StoredKey>,
}

impl Running {
    pub(crate) fn new(
        settings: Settings,
        shared: Arc<Shared>,
        client: upstream::Client,
        stored: Vec<StoredKey>,
    ) -> Self {
        Self {
            settings,
            shared,
            client,
            listed: HashMap::new(),
            answered: Vec::new(),
            stored,
        }
    }

    /// What all parts share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Obeys signals until one of them ends the gateway.
    pub(crate) async fn run(
        &mut self,
        server: &Server,
        start: Start,
        mut taken: mpsc::Receiver<Successor>,
    ) -> Result<(), ServeError> {
        let mut signals = Signals::listen(start.access_log.clone())?;
        start.supervisor.ready();
        let shown = self.look_around(start.facts.as_ref()).await;
        if let Some(screen) = start.screen {
            screen.print(
                &self.shared.policy.load().snapshot,
                start.facts.as_ref(),
                &shown,
                self.settings.file(),
            );
        }
        let reason = loop {
            let wish = tokio::select! {
                wish = signals.next() => wish,
                Some(successor) = taken.recv() => {
                    self.succeeded_by(successor, &start.supervisor).await;
                    break Reason::Succeeded;
                }
            };
            match wish {
                Wish::Reload => self.reload(),
                Wish::Upgrade => {
                    if let Err(error) = successor::start() {
                        tracing::error!(%error, "no other program can be started; this one goes on");
                    }
                }
                Wish::Drain => {
                    start.supervisor.stopping();
                    break Reason::Asked;
                }
                Wish::Quit => return Ok(()),
            }
        };
        drain::drain(server, &self.shared, &mut signals, reason).await;
        Ok(())
    }

    /// From now on another process accepts.
    async fn succeeded_by(&self, successor: Successor, supervisor: &Supervisor) {
        self.shared.drain.advance(Stage::Closing);
        tracing::info!(
            "goodgate {} has taken over; this one ends when its calls have",
            successor.version
        );
        if let Some(pid) = successor.pid {
            supervisor.succeeded_by(pid);
        }
        successor.tell_done().await;
    }

    /// Asks what there is: servers that may run here, then everybody's models.
    async fn look_around(&mut self, facts: Option<&Facts>) -> HashMap<ProviderId, Shown> {
        let clock = Arc::clone(&self.shared.clock);
        let candidates = facts
            .map(|facts| facts.candidates.as_slice())
            .unwrap_or_default();
        self.answered = probe::candidates(&self.client, &clock, candidates).await;
        if !self.answered.is_empty() {
            self.read_again(self.version());
        }
        let providers: Vec<_> = self
            .shared
            .policy
            .load()
            .snapshot
            .providers_in_order()
            .cloned()
            .collect();
        let shown = probe::providers(&self.client, &clock, &providers).await;
        self.listed = shown
            .iter()
            .filter_map(|(id, shown)| match shown {
                Shown::Models { models, .. } => Some((id.clone(), models.clone())),
                Shown::Failed { .. } => None,
            })
            .collect();
        self.read_again(self.version());
        shown
    }

    /// Reads the configuration again, as its next version. A bad one changes nothing but the log.
    fn reload(&self) {
        self.read_again(self.version() + 1);
    }

    fn version(&self) -> u64 {
        self.shared.policy.load().snapshot.version
    }

    /// Reads the configuration again: as this version, which is the present one where only more is known of providers.
    fn read_again(&self, next: u64) {
        let version = self.version();
        let read = match self.settings.read(&self.answered) {
            Ok(read) => read,
            Err(error) => {
                screen::complain(&ServeError::Settings(error));
                tracing::error!(
                    "the configuration was not reloaded: the running one stays (version {version})"
                );
                return;
            }
        };
        screen::warnings(&read.warnings);
        let snapshot = self
            .keep_what_cannot_change(read.snapshot)
            .with_version(next)
            .with_listed(&self.listed);
        match reload::install(&self.shared, snapshot, &self.stored) {
            Ok(()) => tracing::debug!("configuration version {next} is in force"),
            Err(error) => {
                screen::complain(&ServeError::NotReady(error));
                tracing::error!(
                    "the configuration was not reloaded: the running one stays (version {version})"
                );
            }
        }
    }

    /// Listener and workers are made once; a reload that changes them says so.
    fn keep_what_cannot_change(&self, mut snapshot: Snapshot) -> Snapshot {
        let running = self.shared.policy.load();
        let (old, new) = (&running.snapshot.server, &mut snapshot.server);
        if new.listen != old.listen || new.workers != old.workers {
            tracing::warn!("server.listen and server.workers take effect at the next start only");
            new.listen = old.listen;
            new.workers = old.workers;
        }
        let (old, new) = (&running.snapshot.telemetry, &mut snapshot.telemetry);
        if (&new.traces, &new.log_file) != (&old.traces, &old.log_file) {
            tracing::warn!(
                "telemetry.otlp and telemetry.log.file take effect at the next start only"
            );
            new.traces.clone_from(&old.traces);
            new.log_file.clone_from(&old.log_file);
        }
        snapshot
    }
}
