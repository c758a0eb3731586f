//! The checks can fail: a plain store passes them all, and each of its faults is caught by the check that is about it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod plain;

use dashpot_testkit_cache::{Subject, conformance, index, isolation, leases, store};

use self::plain::{Fault, Plain};

fn subject(fault: Option<Fault>) -> Subject<Plain, Plain, Plain, ()> {
    let plain = Plain::new(fault);
    Subject { store: plain.clone(), index: plain.clone(), leases: plain, guard: () }
}

conformance!(subject(None));

macro_rules! caught {
    ($($fault:ident by $module:ident: $check:ident)*) => {
        /// All at the same time, as some wait for what does not come.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn each_fault_is_caught() {
            let checks = [$((
                Fault::$fault,
                tokio::spawn(async { $module::$check(&subject(Some(Fault::$fault))).await }),
            )),*];
            for (fault, check) in checks {
                let error = check.await.expect_err(&format!("{fault:?} is not caught"));
                assert!(error.is_panic(), "{fault:?}");
            }
        }
    };
}

caught! {
    GetIgnoresPartition by store: an_entry_is_found_at_its_place_and_nowhere_else
    GetIgnoresPartition by isolation: nobody_is_given_what_is_anothers
    FindIgnoresTenant by store: an_entry_is_found_at_its_place_and_nowhere_else
    FindIgnoresTenant by isolation: nobody_is_given_what_is_anothers
    ForgetsTags by store: an_entry_comes_back_as_it_was
    KeepsTheFirst by store: an_entry_takes_the_place_of_the_one_before
    KeepsForEver by store: an_entry_that_is_past_its_time_is_gone
    SkipsWhatIsMissing by store: several_entries_come_in_the_order_in_which_they_were_asked_for
    RemovesTagsOfAll by store: a_removal_is_about_what_it_says_and_nothing_else
    RemovesByPattern by store: a_removal_is_about_what_it_says_and_nothing_else
    RemovesByPattern by store: names_may_be_anything
    RemovesKeysOfAll by store: a_removal_is_about_what_it_says_and_nothing_else
    SplitsNamesAtNul by store: names_may_be_anything
    RemembersOldTags by store: what_was_replaced_leaves_no_tag_behind
    TagsEarly by store: many_can_write_and_remove_at_once
    FarthestFirst by index: the_nearest_come_first
    GivesMore by index: the_nearest_come_first
    SearchIgnoresPartition by index: only_what_is_in_the_partition_is_found
    SearchIgnoresPartition by isolation: nobody_is_given_what_is_anothers
    KeepsTheFirstMeaning by index: another_embedding_takes_the_place_of_the_one_before
    NeverForgets by index: what_was_removed_is_not_found
    ForgetsInEachPartition by index: what_was_removed_is_not_found
    FailsAtOtherLengths by index: vectors_of_another_length_are_near_to_none
    GivesWhatIsOver by index: what_is_not_in_the_store_any_more_is_not_given
    LeasesToAll by leases: of_many_who_ask_one_has_the_lease
    LeasesForEver by leases: a_lease_is_held_while_it_is_renewed_and_ends_by_itself
    RenewsNothing by leases: a_lease_is_held_while_it_is_renewed_and_ends_by_itself
    WritesForAll by leases: who_lost_a_lease_can_neither_write_nor_give_it_back
    GivesBackForAll by leases: who_lost_a_lease_can_neither_write_nor_give_it_back
    TellsNothing by leases: who_asks_is_told_what_is_kept
    WritesLate by leases: who_takes_over_finds_what_was_kept
    SaysNobodyOfNothing by leases: nobody_waits_for_what_was_not_kept
    LeasesByKey by leases: leases_are_for_one_place
}
