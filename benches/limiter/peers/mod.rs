//! The limits of other projects, written anew from their sources as policies, so that one adapter serves all.
//!
//! Each takes the value of whatever sample comes: time to the first token of streams, latency of whole answers. None is
//! told of time except by reports, so what a timer does in the original is done at the next report. The highest limit
//! is a parameter, because the originals' own (200 or 1000) would decide scenarios in their stead.

mod arc;
mod envoy;
mod failsafe;

pub(crate) use arc::VectorArc;
pub(crate) use envoy::EnvoyGradient;
pub(crate) use failsafe::Failsafe;
