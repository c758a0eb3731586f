//! The dialects against requests and streams as the providers' services and libraries write them.

#[cfg(test)]
mod errors;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod streams;
