//! One hub in another's place: what goes, and what is said of what stays.

use super::Runbook;
use crate::setup::HubPlaces;
use crate::setup::step::Action;

impl Runbook<'_> {
    /// Ends the other hub and the servers of its users, and sets its records aside. People, homes, passwords and
    /// certificates are no hub's own: nothing is done to them.
    pub(in crate::setup) fn takeover(&mut self) {
        for other in &self.desired.other_hubs {
            let servers = self.servers_of(other);
            let there = other.units.iter().any(|unit| self.is_there(unit));
            if there || servers > 0 {
                self.plan.warnings.push(self.what_it_means(other, servers));
            }
            let why = format!("{} takes its place", self.desired.hub.title);
            if there || servers > 0 {
                self.step(
                    match servers {
                        0 => format!("end {}", other.title),
                        1 => format!("end {} and its 1 running server", other.title),
                        _ => format!("end {} and its {servers} running servers", other.title),
                    },
                    why.clone(),
                    Action::EndServers {
                        hub: other.units.to_vec(),
                        servers: other.user_units(),
                        ways: other.ways.to_vec(),
                        sockets: other.user_folder.replace("/{name}", ""),
                    },
                );
            }
            for unit in other.units {
                self.retire(unit, &why);
            }
            if let Some(database) = other.database
                && self.file_facts(database).is_some()
            {
                self.step(
                    format!("set {database} aside"),
                    why,
                    Action::SetAside {
                        path: database.to_owned(),
                    },
                );
            }
        }
    }

    fn servers_of(&self, hub: &HubPlaces) -> u32 {
        self.facts.servers.get(hub.service).copied().unwrap_or(0)
    }

    fn what_it_means(&self, other: &HubPlaces, servers: u32) -> String {
        let ended = match servers {
            0 => "no server runs".to_owned(),
            1 => "it ends 1 running server, and what is unsaved in it".to_owned(),
            _ => format!("it ends {servers} running servers, and what is unsaved in them"),
        };
        let title = self.desired.hub.title;
        let records = other.database.map_or_else(String::new, |database| {
            format!(
                "; what {} kept of its own (API tokens, groups) stays beside {database}, and {title} begins without it",
                other.title
            )
        });
        format!(
            "{title} takes {}'s place: {ended}; accounts, passwords, homes and certificates stay, everyone logs in \
             anew{records}",
            other.title
        )
    }
}
