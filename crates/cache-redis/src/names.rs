//! What things are called in Redis.

use dashpot_cache::{Key, Removal};
use dashpot_core::Tenant;
use sha2::{Digest, Sha256};

/// A tenant, one of its tags, or one of its entries, as it is looked for.
pub(crate) type Owner = [u8; 16];

/// What all keys of a partition begin with. They are on one node of a cluster, by what is between the braces.
pub(crate) fn base(prefix: &str, partition: Key) -> String {
    format!("{prefix}:{{{partition}}}:")
}

/// Where an entry is.
pub(crate) fn entry(prefix: &str, partition: Key, key: Key) -> String {
    format!("{prefix}:{{{partition}}}:e{key}")
}

/// The list of all partitions in which there is something that may have to be removed by this.
pub(crate) fn list(prefix: &str, owner: Owner) -> Vec<u8> {
    let mut name = format!("{prefix}:r").into_bytes();
    name.extend_from_slice(&owner);
    name
}

/// The index of all vectors of so many dimensions, in engines that index hashes.
pub(crate) fn index(prefix: &str, dimensions: usize) -> String {
    format!("{prefix}:i{dimensions}")
}

/// Whose entries these are.
pub(crate) fn owner(what: &Removal) -> Owner {
    match what {
        Removal::Entry(tenant, key) => hash(tenant, 2, key.as_bytes()),
        Removal::Tagged(tenant, tag) => of_tag(tenant, tag),
        Removal::Tenant(tenant) => of_tenant(tenant),
    }
}

pub(crate) fn of_tenant(tenant: &Tenant) -> Owner {
    hash(tenant, 0, b"")
}

pub(crate) fn of_tag(tenant: &Tenant, tag: &str) -> Owner {
    hash(tenant, 1, tag.as_bytes())
}

fn hash(tenant: &Tenant, kind: u8, what: &[u8]) -> Owner {
    let tenant = tenant.as_str().as_bytes();
    // In eight bytes on any machine: those that share a store are not all of one kind.
    let mut hash = Sha256::new_with_prefix((tenant.len() as u64).to_le_bytes());
    hash.update(tenant);
    hash.update([kind]);
    hash.update(what);
    let mut owner = [0; 16];
    owner.copy_from_slice(&hash.finalize()[..16]);
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_apart() {
        let tenant = |name| Tenant::new(name).unwrap();
        let key = Key::from(*b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
        let text = "b".repeat(32);
        let mut owners = vec![
            owner(&Removal::Tenant(tenant("a"))),
            owner(&Removal::Tenant(tenant("ab"))),
            owner(&Removal::Tagged(tenant("a"), String::new())),
            owner(&Removal::Tagged(tenant("a"), text.clone())),
            owner(&Removal::Tagged(tenant("ab"), text[1..].into())),
            owner(&Removal::Entry(tenant("a"), key)),
        ];
        owners.sort_unstable();
        owners.dedup();
        assert_eq!(owners.len(), 6);
    }
}
