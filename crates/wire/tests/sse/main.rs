//! The event stream format, against a table of cases written from the standard and against another implementation.

mod boundary;
mod conformance;
mod differential;
mod limits;
mod strategy;
mod support;
mod vectors;
mod writer;
