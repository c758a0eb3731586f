#![doc = include_str!("../README.md")]

pub mod dialect;
mod json;
pub mod modes;
pub mod sse;
