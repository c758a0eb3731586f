//! Coming back.

use dashpot_core::Rejection;
use dashpot_testkit::Trigger;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body::Body;
use http_body_util::BodyExt;

use crate::support::{Upstream, event, events, get, numbered, rest, script, settle};

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_in_the_middle_reads_on_and_then_live() {
    let later = Trigger::new();
    let upstream =
        Upstream::new([script(numbered(1..=3)).until(&later).data("data: 4\n\n").data("data: 5\n\n")]);
    let mut cut = upstream.begin().await;
    let mut ids = Vec::new();
    for number in 1..=3 {
        let (id, said) = event(&mut cut).await;
        assert_eq!(said, format!("data: {number}\n\n"));
        ids.push(id);
    }
    drop(cut);

    // The last two were on their way.
    let answer = upstream.back(&ids[0]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-cache, no-transform");
    let mut body = answer.into_body();
    assert_eq!(event(&mut body).await, (ids[1].clone(), "data: 2\n\n".into()));
    assert_eq!(event(&mut body).await, (ids[2].clone(), "data: 3\n\n".into()));
    settle().await;
    later.fire();
    assert_eq!(rest(body).await, "data: 4\n\ndata: 5\n\n");
    assert_eq!((upstream.handle.stats().resumed, upstream.handle.stats().ended), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn wherever_it_is_cut_no_event_is_lost_and_none_is_twice() {
    for seen in 1..=10 {
        let upstream = Upstream::new([script(numbered(1..=10))]);
        let mut body = upstream.begin().await;
        let (mut id, mut all) = (String::new(), String::new());
        for _ in 0..seen {
            let (next, said) = event(&mut body).await;
            (id, all) = (next, all + &said);
        }
        drop(body);
        settle().await;
        let answer = upstream.back(&id).await;
        assert_eq!(answer.status(), if seen == 10 { 204 } else { 200 });
        assert_eq!(all + &rest(answer.into_body()).await, numbered(1..=10).concat(), "after {seen}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_it_all_is_told_so() {
    let upstream = Upstream::new([script(numbered(1..=2))]);
    let mut body = upstream.begin().await;
    let (first, _) = event(&mut body).await;
    let (last, _) = event(&mut body).await;
    assert!(body.frame().await.is_none());
    let answer = upstream.back(&last).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    assert!(answer.body().is_end_stream());
    // And may read it again.
    assert_eq!(rest(upstream.back(&first).await.into_body()).await, "data: 2\n\n");
    assert_eq!((upstream.handle.stats().over, upstream.handle.stats().resumed), (1, 1));
}

/// Else a browser would come back for it again and again, until it is forgotten.
#[tokio::test(start_paused = true)]
async fn what_stands_behind_the_last_event_is_nothing_to_come_back_for() {
    for behind in ["\n", ": bye\n\n", "event: x\n\n", "data: cut"] {
        let upstream = Upstream::new([script(numbered(1..=2)).data(behind)]);
        let mut body = upstream.begin().await;
        let (first, _) = event(&mut body).await;
        let (last, _) = event(&mut body).await;
        assert_eq!(rest(body).await, behind);
        settle().await;
        assert_eq!(upstream.back(&last).await.status(), 204, "{behind:?}");
        assert_eq!(rest(upstream.back(&first).await.into_body()).await, format!("data: 2\n\n{behind}"));
    }
}

#[tokio::test(start_paused = true)]
async fn two_may_follow_one_stream_at_once() {
    let later = Trigger::new();
    let upstream = Upstream::new([script(numbered(1..=2)).until(&later).data("data: 3\n\n")]);
    let mut one = upstream.begin().await;
    let (id, _) = event(&mut one).await;
    let two = upstream.back(&id).await.into_body();
    let three = tokio::spawn(rest(upstream.back(&id).await.into_body()));
    settle().await;
    later.fire();
    let (one, two) = tokio::join!(rest(one), rest(two));
    assert_eq!((one.as_str(), two.as_str()), ("data: 2\n\ndata: 3\n\n", "data: 2\n\ndata: 3\n\n"));
    assert_eq!(three.await.unwrap(), two);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_come_back_again_and_again_with_any_method() {
    let upstream = Upstream::new([script(numbered(1..=4))]);
    let (mut id, _) = event(&mut upstream.begin().await).await;
    for (number, method) in [(2, Method::GET), (3, Method::POST), (4, Method::PUT)] {
        let mut request = get(&[("last-event-id", &id)]);
        *request.method_mut() = method;
        let (next, said) = event(&mut upstream.send(request).await.into_body()).await;
        assert_eq!(said, format!("data: {number}\n\n"));
        id = next;
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_arrive_live_and_later() {
    let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
    for eager in [false, true] {
        let body = script(numbered(1..=2)).trailers(trailers.clone());
        let upstream = Upstream::new([if eager { body.eager() } else { body }]);
        let mut live = upstream.begin().await;
        event(&mut live).await;
        let (id, _) = event(&mut live).await;
        settle().await;
        for mut body in [live, upstream.back(&id).await.into_body()] {
            assert!(!body.is_end_stream());
            assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
            assert!(body.is_end_stream());
            assert!(body.frame().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_not_ours_passes_untouched() {
    for id in ["7", "dp-7:1", "", "0123456789abcdef0123456789abcdef:1"] {
        let upstream = Upstream::new([script(numbered(1..=1))]);
        let answer = upstream.send(get(&[("last-event-id", id)])).await;
        assert_eq!(rest(answer.into_body()).await, "data: 1\n\n", "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_was_is_refused_and_nobody_asks_again() {
    let upstream = Upstream::new([script(numbered(1..=2)).forever()]);
    let (id, _) = event(&mut upstream.begin().await).await;
    let (stream, _) = id.split_once(':').unwrap();
    for id in [format!("dp-{:032x}:1", 1), format!("{stream}:3"), format!("{stream}:18446744073709551615")] {
        let answer = upstream.back(&id).await;
        assert_eq!(answer.status(), 410, "{id}");
        assert_eq!(answer.extensions().get::<Rejection>().unwrap().layer(), "resume");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    assert_eq!(upstream.handle.stats().refused, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_passes_as_it_is() {
    let upstream = Upstream::new([script(numbered(1..=1)).exact()]);
    let mut head = get(&[]);
    *head.method_mut() = Method::HEAD;
    assert_eq!(rest(upstream.send(head).await.into_body()).await, "data: 1\n\n", "nobody reads it");

    for (name, value) in [(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_ENCODING, "gzip")] {
        let layer = &upstream.layer;
        let inner = tower::service_fn(move |_: Request<()>| {
            let mut answer = events(script(numbered(1..=1)).exact());
            answer.headers_mut().insert(&name, HeaderValue::from_static(value));
            answer.headers_mut().insert(header::CONTENT_LENGTH, 9.into());
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        let answer = tower::ServiceExt::oneshot(tower::Layer::layer(layer, inner), get(&[])).await.unwrap();
        assert_eq!(answer.headers()[header::CONTENT_LENGTH], "9");
        assert_eq!(answer.body().size_hint().exact(), Some(9));
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "data: 1\n\n");
    }
    assert_eq!((upstream.handle.stats().recorded, upstream.store.bytes()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_ids_of_its_own_passes_as_it_is() {
    let said = ["retry: 5\n\nid: 1\ndata: a\n\nda", "ta: b\n\n"];
    let upstream = Upstream::new([said.iter().fold(script(vec![]), |body, frame| body.data(*frame))]);
    let body = upstream.begin().await;
    assert_eq!(body.collect().await.unwrap().to_bytes(), said.concat());
    assert_eq!((upstream.handle.stats().own_ids, upstream.handle.stats().recorded), (1, 0));
    assert_eq!(upstream.store.bytes(), 0);
}

/// They look like ours. One such layer on the way is enough.
#[tokio::test(start_paused = true)]
async fn of_two_layers_the_outer_one_knows_no_id_of_the_inner_one() {
    let (outer, inner) = (Upstream::new([script(vec![])]), Upstream::new([script(numbered(1..=2))]));
    let service = tower::Layer::layer(
        &outer.layer,
        tower::service_fn(async |request| Ok::<_, std::convert::Infallible>(inner.send(request).await)),
    );
    let ask = async |headers: &[(&str, &str)]| {
        tower::ServiceExt::oneshot(service.clone(), get(headers)).await.unwrap()
    };
    let (id, _) = event(&mut ask(&[]).await.into_body()).await;
    assert_eq!(outer.handle.stats().own_ids, 1);
    assert_eq!(ask(&[("last-event-id", &id)]).await.status(), 410);
    assert_eq!(rest(inner.back(&id).await.into_body()).await, "data: 2\n\n", "it is there");
}

#[tokio::test(start_paused = true)]
async fn what_passes_in_one_piece_with_its_end_is_not_over_before_it_was_read() {
    let upstream = Upstream::new([script(vec!["id: 1\ndata: a\n\n".into(), "da".into()]).eager()]);
    let mut body = upstream.begin().await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "id: 1\ndata: a\n\n");
    assert!(!body.is_end_stream());
    let upstream = Upstream::new([script(vec!["id: 1\ndata: a\n\nda".into()]).eager()]);
    let mut body = upstream.begin().await;
    body.frame().await.unwrap().unwrap();
    assert!(!body.is_end_stream(), "the upstream's is, but a piece is still to come");
    assert_eq!(rest(body).await, "da");
}

#[tokio::test(start_paused = true)]
async fn a_head_says_nothing_of_bytes_that_will_be_others_and_an_error_stays_as_it_is() {
    for (status, length) in [(200, None), (500, Some("9"))] {
        let upstream = Upstream::new([script(vec![])]);
        let inner = tower::service_fn(move |_: Request<()>| {
            let mut answer = events(script(numbered(1..=1)));
            *answer.status_mut() = status.try_into().unwrap();
            answer.headers_mut().insert(header::CONTENT_LENGTH, 9.into());
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        let service = tower::Layer::layer(&upstream.layer, inner);
        let answer = tower::ServiceExt::oneshot(service, get(&[])).await.unwrap();
        assert_eq!(answer.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap()), length);
        let all = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(all.starts_with(b"id: dp-"), length.is_none(), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_the_head_alone_does_not_come_back() {
    let upstream = Upstream::new([script(numbered(1..=2)), script(vec![])]);
    let (id, _) = event(&mut upstream.begin().await).await;
    let mut head = get(&[("last-event-id", &id)]);
    *head.method_mut() = Method::HEAD;
    assert!(upstream.send(head).await.into_body().frame().await.is_none());
    assert_eq!(upstream.handle.stats().resumed, 0);
}
