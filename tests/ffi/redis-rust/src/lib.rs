// SPDX-License-Identifier: MIT
//! The tests are in tests/.
