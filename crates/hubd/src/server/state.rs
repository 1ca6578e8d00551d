//! The states of a single-user server and what may follow on what.

/// Where a server is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Not running; how the last start ended is kept elsewhere.
    Stopped,
    /// Requested, and not yet both answering and routed.
    Spawning,
    /// Answering, and routed by the proxy.
    Ready,
    /// On its way out, asked for or not.
    Stopping,
    /// Known from before a restart of the hub, and not yet seen to run.
    Checking,
}

/// What happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Somebody asked for it.
    Requested,
    /// The hub found it in its store when it started.
    Found,
    /// It answers and is routed.
    Up,
    /// It could not be brought up, and what there was of it is gone.
    Failed,
    /// Somebody asked for its end, or it was seen to have ended by itself.
    Leaving,
    /// Nothing of it is left: process, route, token and OAuth client.
    Gone,
}

impl State {
    /// The state after an event; `None` where the event cannot happen.
    pub fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Stopped, Event::Requested) => Some(Self::Spawning),
            (Self::Stopped, Event::Found) => Some(Self::Checking),
            (Self::Spawning | Self::Checking, Event::Up) => Some(Self::Ready),
            (Self::Spawning | Self::Checking, Event::Failed) => Some(Self::Stopped),
            (Self::Spawning | Self::Checking | Self::Ready, Event::Leaving) => Some(Self::Stopping),
            (Self::Stopping, Event::Gone) => Some(Self::Stopped),
            _ => None,
        }
    }

    /// JupyterHub's word for what is going on, if something is.
    pub fn pending(self) -> Option<&'static str> {
        match self {
            Self::Spawning => Some("spawn"),
            Self::Stopping => Some("stop"),
            Self::Checking => Some("check"),
            Self::Stopped | Self::Ready => None,
        }
    }

    /// Whether it takes up resources, or may.
    pub fn is_active(self) -> bool {
        self != Self::Stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 5] = [
        State::Stopped,
        State::Spawning,
        State::Ready,
        State::Stopping,
        State::Checking,
    ];
    const EVENTS: [Event; 6] = [
        Event::Requested,
        Event::Found,
        Event::Up,
        Event::Failed,
        Event::Leaving,
        Event::Gone,
    ];

    #[test]
    fn the_whole_table() {
        use Event::{Failed, Found, Gone, Leaving, Requested, Up};
        use State::{Checking, Ready, Spawning, Stopped, Stopping};
        let allowed = [
            (Stopped, Requested, Spawning),
            (Stopped, Found, Checking),
            (Spawning, Up, Ready),
            (Spawning, Failed, Stopped),
            (Spawning, Leaving, Stopping),
            (Checking, Up, Ready),
            (Checking, Failed, Stopped),
            (Checking, Leaving, Stopping),
            (Ready, Leaving, Stopping),
            (Stopping, Gone, Stopped),
        ];
        for state in STATES {
            for event in EVENTS {
                let expected = allowed
                    .iter()
                    .find(|(from, by, _)| (*from, *by) == (state, event))
                    .map(|(_, _, to)| *to);
                assert_eq!(state.after(event), expected, "{state:?} {event:?}");
            }
        }
    }

    #[test]
    fn every_active_state_has_a_way_to_stopped() {
        for state in STATES.into_iter().filter(|state| state.is_active()) {
            let stopped = state
                .after(Event::Leaving)
                .unwrap_or(state)
                .after(Event::Gone);
            assert_eq!(stopped, Some(State::Stopped), "{state:?}");
        }
    }
}
