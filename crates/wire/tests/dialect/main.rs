//! The dialects against requests and streams as the providers' services and libraries write them.

mod errors;
mod requests;
mod streams;
