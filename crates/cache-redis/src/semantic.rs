/// What the server has for finding what is similar, as it was found when it was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Semantic {
    /// Vector sets, which Redis has from 8.0 on: one for each partition.
    VectorSets,
    /// `FT.SEARCH`, which Redis Stack has, and Valkey with its module: one index, filtered by partition.
    Search,
    /// Nothing: entries are found if they are the same, and not if they are similar.
    None,
}
