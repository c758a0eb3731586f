use dashpot_wire::sse::{Framer, Sink};

/// Follows a stream of events, as far as its clocks need.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    framer: Framer,
    beats: Beats,
}

#[derive(Debug, Default)]
struct Beats(u64);

impl Pulse {
    /// Whether events that are no pings end in these bytes. Comments are no events.
    pub(crate) fn has_event(&mut self, bytes: &[u8]) -> bool {
        let before = self.beats.0;
        self.framer.push(bytes, &mut self.beats);
        self.beats.0 != before
    }

    /// Whether another event could be put in here.
    pub(crate) fn at_boundary(&self) -> bool {
        self.framer.at_boundary()
    }
}

impl Sink for Beats {
    fn data(&mut self, _: &[u8]) {}

    fn dispatch(&mut self, event_type: &[u8]) {
        self.0 += u64::from(event_type != b"ping");
    }

    fn discard(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_pings_and_halves_are_no_events() {
        let mut pulse = Pulse::default();
        for (bytes, event, boundary) in [
            (": ping\n\n", false, true),
            ("event: ping\ndata: {}\n\n", false, true),
            ("data: a", false, false),
            ("\n\ndata: b\n", true, false),
            ("\n: x\n\nevent: ping\n", true, false),
            ("data: c\n\n", false, true),
        ] {
            assert_eq!(
                (pulse.has_event(bytes.as_bytes()), pulse.at_boundary()),
                (event, boundary),
                "{bytes:?}"
            );
        }
    }
}
