//! The gateway's page as a person sees it: tokens appear while the answer is still being made, the panels show what goes on, and
//! what is broken by a button is seen on them.

use axum::{Router, http::StatusCode};
use dashpot_testkit::model_server::{Config, Distribution, ModelServer};
use support::Gateway;
use tokio::net::TcpListener;

mod support;

/// The model's default pace is a person's: 300 ms to the first token, 20 ms to the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_first_words_before_the_answer_is_complete_and_a_breaker_that_opens() {
    let short = Config { output_tokens: Distribution::Constant(60.0), ..Config::default() };
    let model = ModelServer::start(short).unwrap();
    let settings = [
        ("DASHPOT_GATEWAY_CACHE__MAX_BYTES", "1048576"),
        ("DASHPOT_GATEWAY_CACHE__SHARE_WITHOUT_CREDENTIAL", "true"),
        ("DASHPOT_GATEWAY_BREAKER__RAMP_MS", "1000"),
    ];
    println!("{}", look(&Gateway::with(&model.url(), &settings), "faults"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_faults_can_be_injected_the_buttons_say_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = Router::new().fallback(async || StatusCode::NOT_FOUND);
    tokio::spawn(async move { axum::serve(listener, upstream).await });
    println!("{}", look(&Gateway::start(&url), "no-faults"));
}

/// What was seen, and where the pictures are.
fn look(gateway: &Gateway, upstream: &str) -> String {
    let screenshots = support::target().join("screenshots");
    let seen = support::run(support::python("browser.py").arg(gateway.url()).arg(&screenshots).arg(upstream));
    format!("{}screenshots: {}", String::from_utf8_lossy(&seen), screenshots.display())
}
