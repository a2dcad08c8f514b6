// SPDX-License-Identifier: MIT
//! Times: durations here, nanoseconds in the library.
use std::time::Duration;

use cachetools_sys as sys;

/// What 64 bits do not hold is for ever.
pub(crate) fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(sys::CT_NEVER)
}

/// The inverse of `ticks`.
pub(crate) fn duration(ticks: u64) -> Duration {
    finite(ticks).unwrap_or(Duration::MAX)
}

/// Nothing, if that is for ever.
pub(crate) fn finite(ticks: u64) -> Option<Duration> {
    if ticks == sys::CT_NEVER {
        None
    } else {
        Some(Duration::from_nanos(ticks))
    }
}
