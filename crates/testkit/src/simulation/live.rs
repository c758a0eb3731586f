use super::{
    Exchange, Nanos,
    upstream::{Id, index},
    workload::Request,
};

/// An exchange that the upstream or the limiter knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    pub(super) request: Request,
    pub(super) tries: u8,
    pub(super) exchange: Exchange,
    /// When the first token was written, seen or not.
    pub(super) first: Option<Nanos>,
    /// The client is gone, and the upstream does not know.
    pub(super) gone: bool,
}

/// All of them. Gives them their keys.
#[derive(Debug, Default)]
pub(super) struct LiveTable {
    slots: Vec<Option<(Id, Live)>>,
    free: Vec<u32>,
    /// Tells the uses of one index apart.
    uses: u64,
}

impl LiveTable {
    pub(super) fn insert(&mut self, live: Live) -> Id {
        self.uses += 1;
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let id = self.uses << 32 | u64::from(at);
        self.slots[at as usize] = Some((id, live));
        id
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut Live> {
        match &mut self.slots[index(id)] {
            Some((held, live)) if *held == id => Some(live),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Live> {
        self.get(id)?;
        self.free.push(index(id) as u32);
        self.slots[index(id)].take().map(|(_, live)| live)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.slots.iter().flatten().map(|(_, live)| live)
    }
}
