//! Answers of a language model: their lengths differ by a factor of thirty.

use crate::simulation::{Answers, Mix, Scenario, Slo};

pub(super) fn scenarios() -> Vec<Scenario> {
    let forms = |names: [&'static str; 3], make: &dyn Fn(&'static str, Answers) -> Scenario| {
        let [streamed, counted, plain] = names;
        [make(streamed, Answers::Streamed), make(counted, Answers::Counted), make(plain, Answers::Plain)]
    };
    let model = |name, about, load, slots, answers| {
        let scenario =
            Scenario::new(name, about, load, slots, Mix::model(answers, 0.2), Slo::FirstToken(1.0));
        Scenario { length_s: 300.0, ..scenario }
    };
    [
        forms(["E", "E whole", "E unknown"], &|name, answers| {
            model(name, "one answer in five has 1200 tokens, the others 40", 1.5, 32.0, answers)
        }),
        forms(["F", "F whole", "F unknown"], &|name, answers| {
            let few = model(name, "long answers become half of all, at 0.6 load", 0.6, 32.0, answers);
            few.then(150.0, |next| next.mix = Mix::model(answers, 0.5))
        }),
        forms(["H3", "H3 whole", "H3 unknown"], &|name, answers| {
            model(name, "E with 64 slots", 1.5, 64.0, answers)
        }),
        forms(["J2", "J2 whole", "J2 unknown"], &|name, answers| {
            let few = model(name, "long answers become half of all, at 1.5 load", 1.5, 48.0, answers);
            few.then(150.0, |next| next.mix = Mix::model(answers, 0.5))
        }),
    ]
    .concat()
}
