#![doc = include_str!("../README.md")]

pub mod policy;

pub use policy::Policy;
