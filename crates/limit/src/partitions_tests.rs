//! Here and not in the module itself, which is compiled with loom's atomics too.

use crate::partitions::Partitions;

fn guaranteed(shares: &[f64], limit: u32) -> Vec<u32> {
    let shares: Vec<_> = shares.iter().map(|&share| (format!("{share}").into(), share)).collect();
    Partitions::new(&shares, limit).as_slice().iter().map(|partition| partition.guaranteed()).collect()
}

#[test]
fn a_share_is_rounded_down_but_is_one_at_least() {
    assert_eq!(guaranteed(&[0.8, 0.2], 10), [8, 2]);
    assert_eq!(guaranteed(&[0.57, 0.43], 100), [57, 43]);
    assert_eq!(guaranteed(&[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0], 30), [10, 10, 10]);
    assert_eq!(guaranteed(&[0.75, 0.0], 7), [5, 0]);
    assert_eq!(guaranteed(&[0.9, 0.1], 3), [2, 1]);
}

#[test]
fn where_ones_do_not_fit_beside_the_others_shares_these_give_way() {
    assert_eq!(guaranteed(&[0.92, 0.04, 0.04], 12), [9, 1, 1]);
    assert_eq!(guaranteed(&[0.9, 0.1], 1), [1, 1]);
}

proptest::proptest! {
    #[test]
    fn the_guarantees_are_no_more_than_the_limit(
        weights in proptest::collection::vec(0.0_f64..1.0, 1..63),
        limit in 1_u32..2000,
    ) {
        let sum: f64 = weights.iter().sum::<f64>().max(1e-6);
        let shares: Vec<_> = weights.iter().map(|weight| weight / sum).collect();
        let guaranteed = guaranteed(&shares, limit);
        let ones = shares.iter().filter(|&&share| share > 0.0).count() as u32;
        proptest::prop_assert!(guaranteed.iter().sum::<u32>() <= limit.max(ones));
        for (guaranteed, share) in guaranteed.iter().zip(shares) {
            proptest::prop_assert_eq!(*guaranteed > 0, share > 0.0);
        }
    }
}
