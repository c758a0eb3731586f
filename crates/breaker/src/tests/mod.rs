mod herd;
mod machine;
mod spec;
mod threads;
mod words;
