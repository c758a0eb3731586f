//! Streams made into whole answers and whole answers into streams. `tests/accumulators.rs` of the workspace asks the
//! official libraries about the same streams.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod collect;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod expand;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod request;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod support;
