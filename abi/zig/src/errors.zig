// SPDX-License-Identifier: MIT
//! Statuses as errors.

const std = @import("std");
const c = @import("c.zig");

/// The operation did not happen.
pub const Error = error{
    Callback,
    Unsupported,
    Internal,
    InputOutput,
    Corrupt,
    Recursion,
    BufferTooSmall,
    TooLarge,
    OutOfMemory,
    Invalid,
    /// compute: others wrote the key too often. getOrLoad: the time to wait is over, or a
    /// single-threaded cache does not wait. A loader returns it to say that only its own call was
    /// cancelled: one of those who wait loads.
    Busy,
};

/// Turns a negative status into an error.
pub fn check(status: c.ct_status) Error!c.ct_status {
    if (status >= 0) return status;
    return switch (status) {
        c.CT_ERR_CALLBACK => Error.Callback,
        c.CT_ERR_UNSUPPORTED => Error.Unsupported,
        c.CT_ERR_IO => Error.InputOutput,
        c.CT_ERR_CORRUPT => Error.Corrupt,
        c.CT_ERR_RECURSION => Error.Recursion,
        c.CT_ERR_BUFFER => Error.BufferTooSmall,
        c.CT_ERR_TOO_LARGE => Error.TooLarge,
        c.CT_ERR_NOMEM => Error.OutOfMemory,
        c.CT_ERR_INVALID => Error.Invalid,
        else => Error.Internal,
    };
}

/// Returns whether the call returned CT_OK.
pub fn done(status: c.ct_status) Error!bool {
    return try check(status) == c.CT_OK;
}

/// Says in one sentence what a failure means.
pub fn message(failure: Error) []const u8 {
    return std.mem.span(c.ct_status_message(switch (failure) {
        Error.Callback => c.CT_ERR_CALLBACK,
        Error.Unsupported => c.CT_ERR_UNSUPPORTED,
        Error.Internal => c.CT_ERR_INTERNAL,
        Error.InputOutput => c.CT_ERR_IO,
        Error.Corrupt => c.CT_ERR_CORRUPT,
        Error.Recursion => c.CT_ERR_RECURSION,
        Error.BufferTooSmall => c.CT_ERR_BUFFER,
        Error.TooLarge => c.CT_ERR_TOO_LARGE,
        Error.OutOfMemory => c.CT_ERR_NOMEM,
        Error.Invalid => c.CT_ERR_INVALID,
        Error.Busy => c.CT_BUSY,
    }));
}
