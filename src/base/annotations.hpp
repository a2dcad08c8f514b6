// SPDX-License-Identifier: MIT
// Names for clang's thread-safety analysis: which lock guards a field, and which locks a function
// needs. Other compilers ignore them. tests/checks/check_locks.py compiles src/ and abi/ with the
// analysis, which passes over the bodies of constructors and destructors.
#ifndef CT_ANNOTATIONS_HPP
#define CT_ANNOTATIONS_HPP

#if defined(__clang__)
#define CT_ANNOTATE(attribute) __attribute__((attribute))
#else
#define CT_ANNOTATE(attribute)
#endif

// Marks a type that is held and released: a lock, or a right that lasts for a while.
#define CT_CAPABILITY(name) CT_ANNOTATE(capability(name))
// Marks a type that holds such a capability for a scope.
#define CT_SCOPED_CAPABILITY CT_ANNOTATE(scoped_lockable)
// Mark a field that a lock guards, and a pointer whose target a lock guards.
#define CT_GUARDED_BY(lock) CT_ANNOTATE(guarded_by(lock))
#define CT_PT_GUARDED_BY(lock) CT_ANNOTATE(pt_guarded_by(lock))
// Mark functions. In this order: the caller holds the lock; the caller does not hold the lock; the
// function takes the lock; the function takes it if it returns this value; the function releases the
// lock.
#define CT_REQUIRES(...) CT_ANNOTATE(requires_capability(__VA_ARGS__))
#define CT_EXCLUDES(...) CT_ANNOTATE(locks_excluded(__VA_ARGS__))
#define CT_ACQUIRE(...) CT_ANNOTATE(acquire_capability(__VA_ARGS__))
#define CT_TRY_ACQUIRE(...) CT_ANNOTATE(try_acquire_capability(__VA_ARGS__))
#define CT_RELEASE(...) CT_ANNOTATE(release_capability(__VA_ARGS__))
// Marks a function that the analysis cannot follow. A comment beside each gives the reason, and the
// check names them all.
#define CT_UNCHECKED CT_ANNOTATE(no_thread_safety_analysis)

#endif
