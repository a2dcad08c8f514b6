// SPDX-License-Identifier: MIT
// Statuses, policies and the version, by name.
#include "boundary.hpp"
#include "cache/result.hpp"

namespace {

struct Text {
  ct_status status;
  const char *name;
  const char *message;
};

constexpr Text kTexts[] = {
    {CT_OK, "CT_OK", "Done."},
    {CT_MISS, "CT_MISS", "There is no such entry: it is absent or expired."},
    {CT_EXISTS, "CT_EXISTS", "There is such an entry already."},
    {CT_NOT_STORED, "CT_NOT_STORED", "The value was not kept."},
    {CT_LEASED, "CT_LEASED", "The caller must now load this key."},
    {CT_BUSY, "CT_BUSY", "Someone else is loading this key, or keeps changing it."},
    {CT_END, "CT_END", "Nothing more follows."},
    {CT_STALE, "CT_STALE", "The value is past its lifetime; no newer one could be loaded yet."},
    {CT_RENEW, "CT_RENEW", "Here is a value, and the caller must now load a newer one."},
    {CT_PENDING, "CT_PENDING", "The answer comes later, by a callback."},
    {CT_ERR_INVALID, "CT_ERR_INVALID", "An argument is not allowed."},
    {CT_ERR_NOMEM, "CT_ERR_NOMEM", "There is no memory left."},
    {CT_ERR_TOO_LARGE, "CT_ERR_TOO_LARGE", "The entry is too large for the cache."},
    {CT_ERR_BUFFER, "CT_ERR_BUFFER", "The buffer is too small."},
    {CT_ERR_RECURSION, "CT_ERR_RECURSION", "The call would wait for itself."},
    {CT_ERR_CORRUPT, "CT_ERR_CORRUPT", "The input is truncated or altered."},
    {CT_ERR_IO, "CT_ERR_IO", "Reading or writing failed."},
    {CT_ERR_INTERNAL, "CT_ERR_INTERNAL", "The library has a fault."},
    {CT_ERR_UNSUPPORTED, "CT_ERR_UNSUPPORTED", "This cache or this system cannot do that."},
    {CT_ERR_CALLBACK, "CT_ERR_CALLBACK", "A callback answered what it may not."},
};
constexpr Text kCallback = {CT_OK, "CT_STATUS_CALLBACK",
                            "A callback answered a status of its own."};
constexpr Text kUnknown = {CT_OK, "CT_STATUS_UNKNOWN", "This library does not know that status."};

const Text &text_of(ct_status status) {
  for (const Text &text : kTexts) {
    if (text.status == status) return text;
  }
  return ct::Result::is_own(static_cast<int32_t>(status)) ? kCallback : kUnknown;
}

#define CT_TEXT_(x) #x
#define CT_TEXT(x) CT_TEXT_(x)

}  // namespace

const char *ct_status_name(ct_status status) { return text_of(status).name; }

const char *ct_status_message(ct_status status) { return text_of(status).message; }

const char *ct_policy_name(ct_policy policy) { return ct::policy_name(ct::number_of(policy)); }

ct_status ct_policy_from_name(const char *name, ct_policy *out) {
  if (out == nullptr) return CT_ERR_INVALID;
  const int32_t policy = name == nullptr ? -1 : ct::policy_by_name(name);
  *out = static_cast<ct_policy>(policy < 0 ? 0 : policy);
  return policy < 0 ? CT_ERR_INVALID : CT_OK;
}

uint32_t ct_version(void) {
  return CT_VERSION_MAJOR * 1000000u + CT_VERSION_MINOR * 1000u + CT_VERSION_PATCH;
}

const char *ct_version_string(void) {
  return CT_TEXT(CT_VERSION_MAJOR) "." CT_TEXT(CT_VERSION_MINOR) "." CT_TEXT(CT_VERSION_PATCH);
}
