//! Whose stream it is.

use dashpot_core::Tenant;
use http::Request;
use http_body_util::BodyExt;

use crate::support::{Upstream, event, numbered, rest, script};

fn ask(path: &str, id: Option<&str>, headers: &[(&str, &str)], tenant: Option<&str>) -> Request<()> {
    let mut request = Request::post(path);
    for (name, value) in headers.iter().copied().chain(id.map(|id| ("last-event-id", id))) {
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    if let Some(tenant) = tenant {
        request.extensions_mut().insert(Tenant::new(tenant).unwrap());
    }
    request
}

#[tokio::test(start_paused = true)]
async fn only_the_very_same_credentials_read_a_stream_and_others_are_told_nothing() {
    let mine = [("authorization", "Bearer mine"), ("x-api-key", "k")];
    let upstream = Upstream::new([script(numbered(1..=2)).forever()]);
    let mut body = upstream.send(ask("/a?x=1", None, &mine, None)).await.into_body();
    let (id, _) = event(&mut body).await;
    let (stream, _) = id.split_once(':').unwrap();

    let refusal = {
        let never = format!("dp-{:032x}:1", 7);
        let answer = upstream.send(ask("/a?x=1", Some(&never), &mine, None)).await;
        (answer.headers().clone(), answer.into_body().collect().await.unwrap().to_bytes())
    };
    let future = format!("{stream}:99");
    for (path, id, headers, tenant) in [
        ("/a?x=1", &id, &mine[..1], None),
        ("/a?x=1", &id, &mine[1..], None),
        ("/a?x=1", &id, &[], None),
        ("/a?x=1", &id, &[mine[0], ("x-api-key", "K")], None),
        ("/a?x=1", &id, &[("authorization", "Bearer mine "), mine[1]], None),
        ("/a?x=1", &id, &[mine[0], mine[1], ("api-key", "")], None),
        ("/a?x=1", &id, &[mine[0], mine[1], mine[1]], None),
        ("/a?x=1", &id, &mine, Some("acme")),
        ("/a?x=2", &id, &mine, None),
        ("/a", &id, &mine, None),
        ("/a?x=1", &future, &mine[..1], None),
    ] {
        let answer = upstream.send(ask(path, Some(id), headers, tenant)).await;
        assert_eq!(answer.status(), 410, "{path} {headers:?} {tenant:?}");
        let told = (answer.headers().clone(), answer.into_body().collect().await.unwrap().to_bytes());
        assert_eq!(told, refusal, "{path} {headers:?}");
    }

    let mut back = upstream.send(ask("/a?x=1", Some(&id), &mine, None)).await.into_body();
    assert_eq!(event(&mut back).await.1, "data: 2\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_reads_its_streams_with_any_credential_and_others_do_not() {
    let upstream = Upstream::new([script(numbered(1..=2))]);
    let with = |id, key: &'static str, tenant| ask("/a", id, &[("authorization", key)], tenant);
    let mut body = upstream.send(with(None, "old", Some("acme"))).await.into_body();
    let (id, _) = event(&mut body).await;
    for other in [Some("Acme"), Some("acme "), None] {
        assert_eq!(upstream.send(with(Some(&id), "old", other)).await.status(), 410, "{other:?}");
    }
    let back = upstream.send(with(Some(&id), "new", Some("acme"))).await;
    assert_eq!(rest(back.into_body()).await, "data: 2\n\n");
}

#[tokio::test(start_paused = true)]
async fn no_two_streams_have_the_same_name() {
    let upstream = Upstream::new((0..100).map(|_| script(numbered(1..=1))));
    let mut names = std::collections::HashSet::new();
    for _ in 0..100 {
        let (id, _) = event(&mut upstream.begin().await).await;
        assert!(names.insert(id));
    }
}
