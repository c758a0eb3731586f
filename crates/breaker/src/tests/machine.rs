//! The machine beside its specification, whatever happens in whatever order.

use std::{cell::RefCell, sync::Arc, time::Duration};

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    millis, rules,
    spec::{Open, Spec},
};
use crate::{
    BreakerState::{self, Closed, HalfOpen, Recovering},
    Reason, Stats,
    machine::{Machine, Refused, Shown},
    window::Counts,
    word::Control,
};

const MILLI: u64 = 1_000_000;

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Begin(prop::sample::Index),
    Record(prop::sample::Index, Shown),
    Pass(u64),
    TakeOver(Control),
    Trip(u64),
}

fn hint() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![3 => Just(None), 1 => (1..1000_u64).prop_map(|n| Some(millis(n)))]
}

fn shown(failing: u32) -> impl Strategy<Value = Shown> {
    let limited =
        (any::<bool>(), hint()).prop_map(|(quota, retry_after)| Shown::RateLimited { quota, retry_after });
    prop_oneof![
        10 => Just(Shown::Success),
        failing => (hint(), any::<bool>())
            .prop_map(|(retry_after, has_begun)| Shown::Failure { retry_after, has_begun }),
        3 => Just(Shown::Slow),
        1 => limited,
        1 => Just(Shown::Ignored),
    ]
}

fn step(failing: u32) -> impl Strategy<Value = Step> {
    let control = vec![Control::Automatic, Control::ForcedOpen, Control::ForcedClosed, Control::MetricsOnly];
    prop_oneof![
        60 => Just(Step::Admit),
        60 => (any::<prop::sample::Index>(), shown(failing)).prop_map(|(index, shown)| Step::Record(index, shown)),
        10 => any::<prop::sample::Index>().prop_map(Step::Begin),
        20 => (0..200_u64).prop_map(|n| Step::Pass(n * MILLI)),
        2 => (0..3_000_u64).prop_map(|n| Step::Pass(n * MILLI + 1)),
        1 => prop::sample::select(control).prop_map(Step::TakeOver),
        1 => (0..500_u64).prop_map(Step::Trip),
    ]
}

fn check(
    quota_wait: Option<Duration>,
    seed: u64,
    steps: Vec<Step>,
) -> Result<Vec<(BreakerState, BreakerState, Reason)>, TestCaseError> {
    let origin = crate::permit::now();
    let machine = Machine::new(Arc::new(rules(quota_wait)), origin, seed);
    let mut spec = Spec::new(rules(quota_wait));
    let mut changes = Vec::new();
    for step in steps {
        let now = origin + Duration::from_nanos(spec.now);
        let (told, expected) = match step {
            Step::Admit => {
                let (admitted, told) = machine.admit(|| now);
                let (must, round, change) = spec.admit();
                prop_assert_eq!(must.unwrap_or(admitted.is_ok()), admitted.is_ok());
                match admitted {
                    Ok(ticket) => spec.open.push(Open { ticket, generation: spec.generation, round }),
                    Err(Refused { after, is_sure }) => {
                        machine.refuse();
                        spec.refused += 1;
                        prop_assert_eq!(is_sure, spec.state == BreakerState::Open);
                        prop_assert_eq!(after.is_some(), spec.control != Control::ForcedOpen);
                        if matches!(spec.state, BreakerState::Open | HalfOpen) {
                            let left = Duration::from_nanos(spec.mark.saturating_sub(spec.now));
                            prop_assert!(after.is_none_or(|after| after == left));
                        }
                    }
                }
                (told, change)
            }
            Step::Begin(_) | Step::Record(_, _) if spec.open.is_empty() => (None, None),
            Step::Begin(index) => {
                let index = index.index(spec.open.len());
                let (ticket, told) = machine.begins(spec.open[index].ticket, || now);
                spec.open[index].ticket = ticket;
                (told, spec.begins(index))
            }
            Step::Record(index, shown) => {
                let call = spec.open.swap_remove(index.index(spec.open.len()));
                let (counts_as, told, threshold) = machine.record(call.ticket, shown, || now);
                let (expected, change, would_open) = spec.record(call, shown, told);
                prop_assert_eq!((Some(counts_as), threshold), (expected, would_open));
                (told, change)
            }
            Step::Pass(nanos) => {
                spec.now += nanos;
                (None, None)
            }
            Step::TakeOver(control) => (machine.take_over(control), spec.take_over(control)),
            Step::Trip(n) => (machine.trip("a test", now + millis(n), now), spec.trip(millis(n))),
        };
        prop_assert_eq!(told.map(|told| (told.from, told.to, told.reason)), expected);
        prop_assert!(told.is_none_or(|told| told.attempt == spec.attempt));
        changes.extend(expected);
        same(&machine.stats(origin + Duration::from_nanos(spec.now)), &spec)?;
    }
    Ok(changes)
}

fn same(stats: &Stats, spec: &Spec) -> Result<(), TestCaseError> {
    prop_assert_eq!((stats.state, stats.control), (spec.state, spec.control.into()));
    let Counts { calls, failed, slow } = spec.counts();
    prop_assert_eq!((stats.calls, stats.failed, stats.slow), (calls, failed, slow));
    prop_assert_eq!(usize::from(stats.probes), spec.out());
    prop_assert_eq!((stats.attempt, stats.opened), (spec.attempt, spec.opened));
    prop_assert_eq!((stats.refused, stats.late), (spec.refused, spec.late));
    let is_open = spec.state == BreakerState::Open && spec.control == Control::Automatic;
    let left = Duration::from_nanos(spec.mark.saturating_sub(spec.now));
    prop_assert_eq!(stats.open_for, is_open.then_some(left));
    Ok(())
}

#[test]
fn it_does_what_the_specification_says() {
    let steps = (1_u32..12).prop_flat_map(|failing| prop::collection::vec(step(failing), 0..400));
    let seen = RefCell::new(Vec::new());
    TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })
        .run(&(any::<bool>(), any::<u64>(), steps), |(has_quota, seed, steps)| {
            seen.borrow_mut().extend(check(has_quota.then(|| millis(300)), seed, steps)?);
            Ok(())
        })
        .unwrap();
    // Otherwise the sequences would show little.
    for (from, reason) in [
        (Closed, Reason::Consecutive),
        (Recovering, Reason::Consecutive),
        (Closed, Reason::FailureRatio),
        (Recovering, Reason::FailureRatio),
        (Closed, Reason::SlowRatio),
        (Closed, Reason::Quota),
        (HalfOpen, Reason::Quota),
        (HalfOpen, Reason::Probe),
        (HalfOpen, Reason::Probed),
        (BreakerState::Open, Reason::Waited),
        (BreakerState::Open, Reason::Tripped("a test")),
        (Recovering, Reason::Recovered),
    ] {
        let times = seen.borrow().iter().filter(|seen| seen.0 == from && seen.2 == reason).count();
        println!("{times} times from {from:?} by {reason:?}");
        assert!(times > 0, "never from {from:?} by {reason:?}");
    }
}
