mod herd;
mod machine;
mod spec;
mod words;
