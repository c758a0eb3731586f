/// How many bytes all paths of a table may have together, beginnings that they share counted once. A power of two, so
/// that masking an index costs less than checking it.
const MAX_NODES: usize = 512;

pub(super) const SEPARATOR: u8 = b'/';

/// The paths of interest: keys joined by `/`. Arrays do not show, so `choices/delta` is in every element of `choices`.
///
/// A trie over the bytes, made at compile time: a key is compared exactly as its bytes come, without a hash and without
/// being kept, and most keys that nobody asked for differ in their first byte.
#[derive(Debug)]
pub(crate) struct Paths<F: 'static> {
    entries: &'static [(&'static str, F)],
    nodes: [Node; MAX_NODES],
}

/// A byte of a path; the nodes that may follow it are a list.
#[derive(Clone, Copy, Debug)]
struct Node {
    byte: u8,
    /// One more than the index of the entry that ends here; 0 if none does.
    entry: u8,
    /// The first that may follow; 0, which is the root, if none may.
    child: u16,
    /// The next that may stand here instead; 0 if there is none.
    sibling: u16,
}

impl<F> Paths<F> {
    /// # Panics
    /// At compile time, where a table belongs: if a path is empty or there twice, or there are too many.
    pub(crate) const fn new(entries: &'static [(&'static str, F)]) -> Self {
        assert!(entries.len() < 256);
        let mut nodes = [Node { byte: 0, entry: 0, child: 0, sibling: 0 }; MAX_NODES];
        let (mut used, mut entry) = (1, 0);
        while entry < entries.len() {
            let path = entries[entry].0.as_bytes();
            let (mut node, mut i) = (0, 0);
            while i < path.len() {
                let mut child = nodes[node].child as usize;
                while child != 0 && nodes[child].byte != path[i] {
                    child = nodes[child].sibling as usize;
                }
                if child == 0 {
                    // The last stays without children: it is `NOWHERE`.
                    assert!(used < MAX_NODES - 1);
                    child = used;
                    used += 1;
                    nodes[child] = Node { byte: path[i], entry: 0, child: 0, sibling: nodes[node].child };
                    nodes[node].child = child as u16;
                }
                node = child;
                i += 1;
            }
            assert!(node != 0 && nodes[node].entry == 0);
            entry += 1;
            nodes[node].entry = entry as u8;
        }
        Self { entries, nodes }
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> &[(&'static str, F)] {
        self.entries
    }

    fn node(&self, index: u16) -> &Node {
        &self.nodes[usize::from(index) % MAX_NODES]
    }
}

/// A place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(u16);

impl Cursor {
    /// Where nothing of interest is.
    pub(super) const NOWHERE: Self = Self(MAX_NODES as u16 - 1);

    /// At the document itself.
    pub(super) const ROOT: Self = Self(0);

    /// Goes on by one byte of the path.
    pub(super) fn step<F>(&mut self, paths: &Paths<F>, byte: u8) {
        let mut child = paths.node(self.0).child;
        while child != 0 {
            let node = paths.node(child);
            if node.byte == byte {
                *self = Self(child);
                return;
            }
            child = node.sibling;
        }
        *self = Self::NOWHERE;
    }

    /// What is exactly here.
    pub(super) fn field<F: Copy>(self, paths: &Paths<F>) -> Option<F> {
        let entry = paths.node(self.0).entry.checked_sub(1)?;
        Some(paths.entries[usize::from(entry)].1)
    }
}
