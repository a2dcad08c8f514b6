// SPDX-License-Identifier: MIT
// Clang's thread-safety analysis: which lock guards a field, which locks a function needs. Other
// compilers ignore it. tests/checks/check_locks.sh compiles all of src/ with it.
#ifndef CT_ANNOTATIONS_HPP
#define CT_ANNOTATIONS_HPP

#if defined(__clang__)
#define CT_ANNOTATE(attribute) __attribute__((attribute))
#else
#define CT_ANNOTATE(attribute)
#endif

// A type that is held and let go: a lock, or something that holds only meanwhile.
#define CT_CAPABILITY(name) CT_ANNOTATE(capability(name))
// A type that holds one for a scope.
#define CT_SCOPED_CAPABILITY CT_ANNOTATE(scoped_lockable)
// Fields, and what pointers lead to.
#define CT_GUARDED_BY(lock) CT_ANNOTATE(guarded_by(lock))
#define CT_PT_GUARDED_BY(lock) CT_ANNOTATE(pt_guarded_by(lock))
// Functions: the caller holds the lock; it must not; the function takes it, or gives it back.
#define CT_REQUIRES(...) CT_ANNOTATE(requires_capability(__VA_ARGS__))
#define CT_EXCLUDES(...) CT_ANNOTATE(locks_excluded(__VA_ARGS__))
#define CT_ACQUIRE(...) CT_ANNOTATE(acquire_capability(__VA_ARGS__))
#define CT_RELEASE(...) CT_ANNOTATE(release_capability(__VA_ARGS__))
// A function after which the lock is taken to be held.
#define CT_ASSERT_HELD(lock) CT_ANNOTATE(assert_capability(lock))
// A function that the analysis cannot follow. Each has its reason beside it.
#define CT_UNCHECKED CT_ANNOTATE(no_thread_safety_analysis)

#endif
