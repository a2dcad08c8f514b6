// SPDX-License-Identifier: MIT
// The list of policies: the only place that reads the constants of ct_policy.
#include "policy/policy.hpp"

namespace ct {
namespace {

struct Row {
  ct_policy policy;
  const char *name;
  const PolicyKind *kind;
};

constexpr Row kRows[] = {
    {CT_POLICY_LRU, "LRU", &kLruKind},          {CT_POLICY_FIFO, "FIFO", &kFifoKind},
    {CT_POLICY_LFU, "LFU", &kLfuKind},          {CT_POLICY_RR, "RR", &kRrKind},
    {CT_POLICY_TTL, "TTL", &kTtlKind},          {CT_POLICY_TLRU, "TLRU", &kTlruKind},
    {CT_POLICY_ANY, "ANY", &kAnyKind},          {CT_POLICY_MRU, "MRU", &kMruKind},
    {CT_POLICY_CLOCK, "CLOCK", &kClockKind},    {CT_POLICY_SIEVE, "SIEVE", &kSieveKind},
    {CT_POLICY_S3FIFO, "S3FIFO", &kS3FifoKind}, {CT_POLICY_WTINYLFU, "WTINYLFU", &kWTinyLfuKind},
    {CT_POLICY_ARC, "ARC", &kArcKind},          {CT_POLICY_ADAPTIVE, "ADAPTIVE", &kAdaptiveKind},
    {CT_POLICY_CUSTOM, "CUSTOM", &kCustomKind},
};

const Row *row_of(int32_t policy) {
  for (const Row &row : kRows) {
    if (static_cast<int32_t>(row.policy) == policy) return &row;
  }
  return nullptr;
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_name(const char *a, const char *b) {
  for (; *a != '\0' && *b != '\0'; a++, b++) {
    if (upper(*a) != upper(*b)) return false;
  }
  return *a == *b;
}

}  // namespace

const PolicyKind *policy_kind(int32_t policy) {
  const Row *row = row_of(policy);
  return row == nullptr ? nullptr : row->kind;
}

const char *policy_name(int32_t policy) {
  const Row *row = row_of(policy);
  return row == nullptr ? nullptr : row->name;
}

int32_t policy_by_name(const char *name) {
  for (const Row &row : kRows) {
    if (same_name(row.name, name)) return row.policy;
  }
  return -1;
}

}  // namespace ct
