//! Nobody is given what is another's, whatever was kept and removed before.

use std::collections::BTreeMap;

use dashpot_cache::{Index, Key, Place, Removal, Store};
use fastrand::Rng;

use crate::{
    Made, Subject,
    made::{key, unique},
};

const STEPS: usize = 600;
const DIMENSIONS: usize = 8;

/// Random tenants, partitions, keys, tags and removals, beside a map that does the same. What fails says its seed.
pub async fn nobody_is_given_what_is_anothers<St: Store, Ix: Index, L, G>(
    Subject { store, index, .. }: &Subject<St, Ix, L, G>,
) {
    let seed = fastrand::u64(..);
    let mut rng = Rng::with_seed(seed);
    let tenants: Vec<_> = ["a", "a{", "*", "a b"].iter().map(|name| unique(name)).collect();
    // A partition is one tenant's, since the hash is over their name too.
    let partitions: Vec<_> = (0..3 * tenants.len()).map(|n| (n % tenants.len(), key())).collect();
    let keys: Vec<_> = (0..12).map(|_| key()).collect();
    let tags = ["s", "t", "*", ""];
    let mut kept = BTreeMap::new();
    for step in 0..STEPS {
        let of = rng.usize(..partitions.len());
        let (tenant, partition) = partitions[of];
        // Nor is a key another's.
        let mut bytes = *keys[rng.usize(..keys.len())].as_bytes();
        bytes[0] = u8::try_from(of).unwrap();
        let (key, tag) = (Key::from(bytes), tags[rng.usize(..tags.len())]);
        match rng.usize(..20) {
            0..14 => {
                let vector: Vec<f32> = (0..DIMENSIONS).map(|_| rng.f32() - 0.5).collect();
                let made = Made::new(&tenants[tenant], partition).key(key).answer(step.to_string());
                let entry = made.tags(&[tag]).meaning(&vector).done();
                assert!(store.put(entry.clone(), None).await.unwrap());
                index.insert(&entry).await.unwrap();
                kept.insert((partition, key), (tenant, tag, step.to_string()));
            }
            14..17 => {
                store.remove(Removal::Entry(tenants[tenant].clone(), key)).await.unwrap();
                kept.remove(&(partition, key));
            }
            17..19 => {
                store.remove(Removal::Tagged(tenants[tenant].clone(), tag.into())).await.unwrap();
                kept.retain(|_, known| (known.0, known.1) != (tenant, tag));
            }
            _ => {
                store.remove(Removal::Tenant(tenants[tenant].clone())).await.unwrap();
                kept.retain(|_, known| known.0 != tenant);
            }
        }
        // What is there, in the right partition or in another.
        let elsewhere = partitions[rng.usize(..partitions.len())].1;
        for partition in [partition, elsewhere] {
            let found = store.get(Place { partition, key }).await.unwrap();
            let found = found.map(|entry| (entry.tenant.clone(), entry.answer.clone()));
            let expected = kept.get(&(partition, key));
            let expected = expected.map(|known| (tenants[known.0].clone(), known.2.clone().into()));
            assert_eq!(found, expected, "seed {seed}, step {step}");
        }
        let tenant = &tenants[rng.usize(..tenants.len())];
        if let Some(found) = store.find(tenant, key).await.unwrap() {
            assert_eq!(found.tenant, *tenant, "seed {seed}, step {step}");
        }
        // What is near is of the partition, and its own.
        let vector: Vec<f32> = (0..DIMENSIONS).map(|_| rng.f32() - 0.5).collect();
        for near in index.search(elsewhere, &vector, 4).await.unwrap() {
            let place = Place { partition: elsewhere, key: near.key };
            let entry = match near.entry {
                Some(entry) => Some(entry),
                None => store.get(place).await.unwrap(),
            };
            let entry = entry.map(|entry| (entry.place(), entry.tenant.clone()));
            let expected = kept.get(&(elsewhere, near.key)).map(|known| (place, tenants[known.0].clone()));
            assert_eq!(entry, expected, "seed {seed}, step {step}");
        }
    }
}
