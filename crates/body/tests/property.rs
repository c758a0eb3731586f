//! Whatever a body does and wherever it is dropped, its guard lives one life.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use dashpot_body::{End, Guard, Guarded, ReleaseAt};
use dashpot_testkit::body::Scripted;
use http::HeaderMap;
use http_body::Body;
use proptest::prelude::*;

#[derive(Default)]
struct Life {
    releases: u32,
    end: Option<End>,
}

struct Lives(Rc<RefCell<Life>>);

impl Guard for Lives {
    fn release(&mut self) {
        let mut life = self.0.borrow_mut();
        assert_eq!(life.end, None, "released after the end");
        life.releases += 1;
    }

    fn end(self, end: End) {
        let mut life = self.0.borrow_mut();
        assert_eq!(life.releases, 1, "not released before the end");
        assert_eq!(life.end.replace(end), None, "ended twice");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Data(&'static str),
    Trailers,
    Error,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::{Data, Error, Stop, Trailers};
    prop_oneof![
        6 => Just(Data("abc")),
        2 => Just(Data("")),
        1 => Just(Trailers),
        1 => Just(Error),
        1 => Just(Stop),
    ]
}

fn script(steps: &[Step], exact: bool, eager: bool) -> Scripted {
    let script = steps.iter().fold(Scripted::new(), |script, step| match *step {
        Step::Data(data) => script.data(data),
        Step::Trailers => script.trailers(HeaderMap::new()),
        Step::Error => script.error("boom"),
        Step::Stop => script.forever(),
    });
    let script = if exact { script.exact() } else { script };
    if eager { script.eager() } else { script }
}

proptest! {
    #[test]
    fn a_guard_is_released_and_ended_once_in_this_order(
        steps in prop::collection::vec(step(), 0..6),
        (exact, eager, polls) in (any::<bool>(), any::<bool>(), 0_usize..9),
        release_at in prop::sample::select(&[ReleaseAt::Head, ReleaseAt::FirstByte, ReleaseAt::End]),
    ) {
        let life = Rc::new(RefCell::new(Life::default()));
        let mut body = Guarded::new(script(&steps, exact, eager), Lives(life.clone()), release_at);
        let mut plain = script(&steps, exact, eager);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            let ours = Pin::new(&mut body).poll_frame(&mut cx);
            let theirs = Pin::new(&mut plain).poll_frame(&mut cx);
            prop_assert_eq!(format!("{:?}", &ours), format!("{:?}", &theirs));
            let expected = match &ours {
                Poll::Ready(None) => [Some(End::Complete), Some(End::Error)].contains(&life.borrow().end),
                Poll::Ready(Some(Err(_))) => life.borrow().end.is_some(),
                Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => life.borrow().end.is_some(),
                _ => true,
            };
            prop_assert!(expected);
            // What hyper does.
            if body.is_end_stream() {
                prop_assert!(life.borrow().end.is_some());
            }
        }
        drop(body);
        let life = life.borrow();
        prop_assert_eq!(life.releases, 1);
        prop_assert!(life.end.is_some());
    }
}
