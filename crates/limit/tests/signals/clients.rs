//! Clients that leave, and deadlines that pass.

use std::time::Duration;

use dashpot_testkit::body::Scripted;

use crate::{
    model::{
        Answer,
        Client::{self, DropsBody, LeavesAfter},
        Exchange, events, read, status, whole, words,
    },
    recorder::{
        Told,
        What::{Departure, FirstToken, Latency, Left, Overload},
    },
};

async fn check(cases: impl IntoIterator<Item = (&'static str, Answer, Client, Vec<Told>)>) {
    for (name, answer, client, expected) in cases {
        let exchange = Exchange { client, ..Exchange::new(answer) };
        assert_eq!(exchange.told().await, expected, "{name}");
    }
}

fn mute() -> Scripted {
    Scripted::new().forever()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_anything_came_says_how_long_it_waited() {
    let left = |at| vec![(at, Left(at), 0, 1)];
    check([
        ("before the head", whole(words(&["answer"])), LeavesAfter(50), left(50)),
        ("before an error", Err("boom"), LeavesAfter(50), left(50)),
        ("before a 503", status(503), LeavesAfter(50), left(50)),
        ("with the head", whole(words(&["answer"])), DropsBody, left(100)),
        ("with the head of a stream", events(words(&["content"])), DropsBody, left(100)),
        ("before the first byte", events(mute()), LeavesAfter(150), left(150)),
        ("before the first content", read(events(words(&["ping"]).forever())), LeavesAfter(150), left(150)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_mid_body_departs() {
    let stream = |end| vec![(100, FirstToken(100), 1, 0), (end, Departure, 0, 1)];
    check([
        ("a whole answer", whole(words(&["ans"]).forever()), LeavesAfter(150), vec![(150, Departure, 0, 1)]),
        ("a stream", events(words(&["content"]).forever()), LeavesAfter(150), stream(150)),
        ("a stream that is read", read(events(words(&["content"]).forever())), LeavesAfter(150), stream(150)),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_counts_even_if_the_client_does_not_stay_for_the_end() {
    let done = |body: Scripted| read(whole(body.forever()));
    let latency = vec![(250, Latency(100, Some(7)), 0, 1)];
    check([
        ("a 503", status(503), DropsBody, vec![(100, Overload, 0, 1)]),
        ("a 500", status(500), DropsBody, vec![(100, Departure, 0, 1)]),
        ("a 404", status(404), DropsBody, vec![(100, Departure, 0, 1)]),
        (
            "an error event, at which clients leave",
            read(events(words(&["overloaded"]).forever())),
            LeavesAfter(150),
            vec![(150, Overload, 0, 1)],
        ),
        ("the marker of the end", done(words(&["content", "usage"]).data("done")), LeavesAfter(250), latency),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_before_anything_came_is_an_overload() {
    let stream = |end| vec![(100, FirstToken(100), 1, 0), (end, Departure, 0, 1)];
    let cases: [(_, Answer, _, _, Vec<Told>); 6] = [
        ("before the head", whole(words(&["answer"])), 80, 80, vec![(80, Overload, 0, 1)]),
        ("before the first byte", events(mute()), 130, 150, vec![(150, Overload, 0, 1)]),
        ("only a ping came", read(events(words(&["ping"]).forever())), 130, 150, vec![(150, Overload, 0, 1)]),
        ("it has not passed", whole(words(&["answer"])), 80, 79, vec![(79, Left(79), 0, 1)]),
        ("something had come", events(words(&["content"]).forever()), 130, 150, stream(150)),
        (
            "whoever stays gets the answer",
            whole(words(&["answer"])),
            80,
            1000,
            vec![(100, Latency(100, None), 0, 1)],
        ),
    ];
    for (name, answer, deadline, leaves, expected) in cases {
        let exchange = Exchange {
            client: LeavesAfter(leaves),
            deadline: Some(Duration::from_millis(deadline)),
            ..Exchange::new(answer)
        };
        assert_eq!(exchange.told().await, expected, "{name}");
    }
}
