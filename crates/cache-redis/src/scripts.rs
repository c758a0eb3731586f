//! What is done in one step, and in one round trip.

/// One of them. All that it touches is in the hash slot of its one key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Script {
    Enlist,
    Put,
    Index,
    Forget,
    Near,
    Remove,
    Acquire,
    Renew,
    Release,
}

macro_rules! source {
    ($name:literal) => {
        concat!(include_str!("scripts/words.lua"), include_str!(concat!("scripts/", $name, ".lua")))
    };
}

impl Script {
    pub(crate) const ALL: [Self; 9] = [
        Self::Enlist,
        Self::Put,
        Self::Index,
        Self::Forget,
        Self::Near,
        Self::Remove,
        Self::Acquire,
        Self::Renew,
        Self::Release,
    ];

    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Enlist => source!("enlist"),
            Self::Put => source!("put"),
            Self::Index => source!("index"),
            Self::Forget => source!("forget"),
            Self::Near => source!("near"),
            Self::Remove => source!("remove"),
            Self::Acquire => source!("acquire"),
            Self::Renew => source!("renew"),
            Self::Release => source!("release"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_where_its_number_says() {
        for (number, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script as usize, number);
        }
    }
}
