//! How to choose layers, put them in order, and come from others.

#[doc = include_str!("../guide/choose.md")]
pub mod choose {}

#[doc = include_str!("../guide/order.md")]
pub mod order {}

#[doc = include_str!("../guide/migrate.md")]
pub mod migrate {}
