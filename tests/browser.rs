//! The gateway's page as a person sees it: tokens appear while the answer is still being made.

use dashpot_testkit::model_server::{Config, ModelServer};
use support::Gateway;

mod support;

/// The model's default pace is a person's: 300 ms to the first token, 20 ms to the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_the_first_words_before_the_answer_is_complete() {
    let model = ModelServer::start(Config::default()).unwrap();
    let gateway = Gateway::start(&model.url());
    let screenshots = support::target().join("screenshots");
    let seen = support::run(support::python("browser.py").arg(gateway.url()).arg(&screenshots));
    print!("{}", String::from_utf8_lossy(&seen));
    println!("screenshots: {}", screenshots.display());
}
