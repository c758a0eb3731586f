//! What every store, index and lease of `dashpot-cache` has to pass, whatever engine is behind it: [`conformance!`] makes the tests.
//!
//! They run on the clock of the world, since an engine has no other, and wait for what is to come rather than for a time. Each has a
//! subject of its own, or one that shares an engine with others: all names are drawn.

#![allow(clippy::unwrap_used, reason = "a check that cannot go on has failed")]
#![allow(clippy::missing_panics_doc, reason = "that is how a check fails")]

pub mod index;
pub mod isolation;
pub mod leases;
mod made;
pub mod store;

pub use made::{Made, unique};

/// What is checked: a store, with the index and the leases that go with it, and what has to live as long.
#[derive(Debug)]
pub struct Subject<St, Ix, L, G> {
    /// The store.
    pub store: St,
    /// Its index.
    pub index: Ix,
    /// Its leases.
    pub leases: L,
    /// Dropped when the check is over.
    pub guard: G,
}

/// Makes a test of each check, with the [`Subject`] that an expression makes, which may await.
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance! { @ $subject;
            store: an_entry_is_found_at_its_place_and_nowhere_else
            store: an_entry_comes_back_as_it_was
            store: an_entry_takes_the_place_of_the_one_before
            store: an_entry_that_is_past_its_time_is_gone
            store: several_entries_come_in_the_order_in_which_they_were_asked_for
            store: a_removal_is_about_what_it_says_and_nothing_else
            store: names_may_be_anything
            store: what_was_replaced_leaves_no_tag_behind
            store: many_can_write_and_remove_at_once
            isolation: nobody_is_given_what_is_anothers
            index: the_nearest_come_first
            index: only_what_is_in_the_partition_is_found
            index: another_embedding_takes_the_place_of_the_one_before
            index: what_was_removed_is_not_found
            index: vectors_of_another_length_are_near_to_none
            index: what_is_not_in_the_store_any_more_is_not_given
            leases: of_many_who_ask_one_has_the_lease
            leases: a_lease_is_held_while_it_is_renewed_and_ends_by_itself
            leases: who_lost_a_lease_can_neither_write_nor_give_it_back
            leases: who_asks_is_told_what_is_kept
            leases: who_takes_over_finds_what_was_kept
            leases: nobody_waits_for_what_was_not_kept
            leases: leases_are_for_one_place
        }
    };
    (@ $subject:expr; $($module:ident: $name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let subject = $subject;
                $crate::$module::$name(&subject).await;
            }
        )*
    };
}
