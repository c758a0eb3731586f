mod machine;
mod spec;
mod words;
