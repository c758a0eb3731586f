//! What was kept is there again after a restart.

use std::{fs, sync::Arc, time::Duration};

use dashpot_cache::{FlatIndex, MemoryStore, RestoreError, Similar};
use dashpot_core::{Embedding, Tokens};
use tower::service_fn;

use crate::support::{Model, SECOND, cache, chat, completion, layer, read, whole};

fn similar(layer: dashpot_cache::CacheLayer<MemoryStore>) -> dashpot_cache::CacheLayer<MemoryStore> {
    let embedder = service_fn(async |texts: Vec<Arc<str>>| {
        let embed = |text: &Arc<str>| {
            let state = if text.contains("sky") { [1.0, 0.1] } else { [0.1, 1.0] };
            Some(Embedding::new(&state)?.with_tokens(Tokens::new([(0..1, &state[..])])?))
        };
        Ok::<_, std::convert::Infallible>(texts.iter().map(embed).collect::<Vec<_>>())
    });
    layer.similar(Similar::new(embedder, "first letter", FlatIndex::new(10)))
}

#[tokio::test(start_paused = true)]
async fn entries_come_back_with_their_age_and_are_found_by_similar_questions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let before = similar(layer().ttl(100 * SECOND).tags(|_| vec!["t".into()]));
    let model = Model::default().then(whole(&completion("a"))).then(whole(&completion("b")));
    let first = cache(&before, &model);
    read(&first, chat("Why is the sky blue?", false)).await;
    tokio::time::sleep(40 * SECOND).await;
    read(&first, chat("Why is the sea salty?", true)).await;
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(before.handle().store().save(&path).unwrap(), 2);
    assert_eq!(before.handle().store().save(&path).unwrap(), 2, "it takes the place of the one before");

    let after = similar(layer());
    assert_eq!(after.handle().restore(&path).await.unwrap(), 2);
    let model = Model::default().then(whole(&completion("c")));
    let second = cache(&after, &model);
    let (status, text) = read(&second, chat("Why is the sky blue?", true)).await;
    assert!(status.contains("exact") && text.contains("\"a\""), "{status}");
    let ttl = |status: &str| -> u64 {
        status.split("ttl=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap()
    };
    assert!((15..=30).contains(&ttl(&status)), "{status}");
    let (status, text) = read(&second, chat("Hi, why is the sea salty?", false)).await;
    assert!(status.contains("semantic") && text.contains("\"b\""), "{status}");
    after
        .handle()
        .remove(dashpot_cache::Removal::Tagged(dashpot_core::Tenant::new("acme").unwrap(), "t".into()))
        .await
        .unwrap();
    assert_eq!(read(&second, chat("Why is the sky blue?", false)).await.0, "dashpot; fwd=miss");
}

#[tokio::test(start_paused = true)]
async fn what_is_past_its_time_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let before = layer().ttl(Duration::from_millis(10));
    let model = Model::default().then(whole(&completion("a")));
    read(&cache(&before, &model), chat("a", false)).await;
    before.handle().store().save(&path).unwrap();
    // The time between two runs is the world's.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(layer().handle().restore(&path).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_said_to_be_and_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let before = layer();
    let model = (0..3).fold(Model::default(), |model, n| model.then(whole(&completion(&n.to_string()))));
    let first = cache(&before, &model);
    for text in ["a", "b", "c"] {
        read(&first, chat(text, false)).await;
    }
    before.handle().store().save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    for len in (0..good.len()).step_by(5) {
        fs::write(&path, &good[..len]).unwrap();
        match layer().handle().restore(&path).await {
            Ok(restored) => assert!(restored < 3 && len >= 16, "{len}"),
            Err(RestoreError::Broken { restored }) => assert!(restored < 3, "{len}"),
            Err(error) => panic!("{len}: {error}"),
        }
    }
    for at in (0..good.len()).step_by(5) {
        let mut broken = good.clone();
        broken[at] ^= 0x40;
        fs::write(&path, &broken).unwrap();
        let restored = layer().handle().restore(&path).await;
        assert!(restored.is_err(), "{at}: {restored:?}");
    }
    assert!(matches!(layer().handle().restore(&folder.path().join("none")).await, Err(RestoreError::Io(_))));
    assert!(before.handle().store().save(&folder.path().join("none/x")).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn nothing_beside_the_file_is_touched_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let before = layer();
    read(&cache(&before, &Model::default().then(whole(&completion("a")))), chat("a", false)).await;
    for name in ["cache.tmp", "cache.a", "cache", "tmp", ".tmp"] {
        fs::write(at("cache.tmp"), "somebody's").unwrap();
        assert_eq!(before.handle().store().save(&at(name)).unwrap(), 1, "{name}");
        assert_eq!(layer().handle().restore(&at(name)).await.unwrap(), 1, "{name}");
        if name != "cache.tmp" {
            assert_eq!(fs::read(at("cache.tmp")).unwrap(), b"somebody's", "{name}");
        }
    }
    // What cannot be replaced stays, and so does everything else.
    fs::create_dir_all(at("folder/full")).unwrap();
    assert!(before.handle().store().save(&at("folder")).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn the_file_is_its_owners_only_whatever_was_there_before() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let victim = folder.path().join("victim");
    fs::write(&victim, "somebody's").unwrap();
    // Laid out by another who may write into the folder, with the name that a guess would have.
    for name in ["cache.tmp", "cache"] {
        symlink(&victim, folder.path().join(name)).unwrap();
    }
    let before = layer();
    for _ in 0..2 {
        before.handle().store().save(&path).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    }
    assert_eq!(fs::read(&victim).unwrap(), b"somebody's");
}

#[tokio::test(start_paused = true)]
async fn two_who_save_at_once_leave_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let before = layer();
    let model =
        (0..50).fold(Model::default(), |model, n| model.then(whole(&completion(&"x".repeat(n * 100)))));
    let first = cache(&before, &model);
    for n in 0..50 {
        read(&first, chat(&n.to_string(), false)).await;
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope
                .spawn(|| (0..20).for_each(|_| assert_eq!(before.handle().store().save(&path).unwrap(), 50)));
        }
    });
    assert_eq!(layer().handle().restore(&path).await.unwrap(), 50);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
