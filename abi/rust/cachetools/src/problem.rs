// SPDX-License-Identifier: MIT
//! What the library says is wrong, by the names of this crate.
use std::fmt;

/// What is wrong with an argument or an option, in one sentence that names it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Problem(&'static str);

/// Names of the header, and of this crate. Those that are the same in both are left out.
const NAMES: [(&str, &str); 12] = [
    ("CT_FLAG_CURVE", "curve()"),
    ("CT_FLAG_KEEP_NOTHING", "keep_nothing()"),
    ("CT_FLAG_NO_STATS", "without_stats()"),
    ("CT_FLAG_PRECISE_CLOCK", "precise_clock()"),
    ("CT_POLICY_CUSTOM", "Policy::Custom"),
    ("CT_POLICY_TLRU", "Policy::Tlru"),
    ("CT_POLICY_TTL", "Policy::Ttl"),
    ("CT_SECONDS", "Duration::from_secs"),
    ("ct_policy", "Policy"),
    ("ct_weight_kind", "WeightKind"),
    ("flags", "options"),
    ("ttu", "time_to_use"),
];

impl Problem {
    /// What the library says, in a sentence that is never freed.
    pub(crate) const fn new(sentence: &'static str) -> Problem {
        Problem(sentence)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        for part in self.0.split_inclusive(is_end) {
            let word = part.trim_end_matches(is_end);
            let name = NAMES.iter().find(|(c, _)| *c == word);
            f.write_str(name.map_or(word, |(_, rust)| rust))?;
            f.write_str(&part[word.len()..])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self)
    }
}
