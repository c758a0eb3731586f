//! The fuzz targets' seeds, through the same checks, so that neither rots where no fuzzer runs.

#[path = "../fuzz/checks.rs"]
mod checks;

use std::{fs, panic, path::Path};

fn for_each_file(folder: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder that can be listed").path();
        let bytes = fs::read(&path).expect("a file that can be read");
        panic::catch_unwind(|| check(&bytes)).unwrap_or_else(|_| panic!("{} fails", path.display()));
        files += 1;
    }
    assert!(files > 5, "{files} files in {}", folder.display());
}

#[test]
fn the_framer_holds_for_every_seed() {
    for_each_file("fuzz/seeds/streams", checks::framer);
    for_each_file("tests/dialect/streams", checks::framer);
}

#[test]
fn the_parser_holds_for_every_seed() {
    for_each_file("fuzz/seeds/streams", checks::parser);
    for_each_file("tests/dialect/streams", checks::parser);
}

#[test]
fn the_readers_of_dialects_hold_for_every_seed() {
    for_each_file("fuzz/seeds/streams", checks::dialect_stream);
    for_each_file("tests/dialect/streams", checks::dialect_stream);
    for_each_file("fuzz/seeds/requests", checks::dialect_request);
}

#[test]
fn both_modes_hold_for_every_seed() {
    for_each_file("fuzz/seeds/streams", checks::modes);
    for_each_file("tests/dialect/streams", checks::modes);
    for_each_file("tests/modes/streams", checks::modes);
}
