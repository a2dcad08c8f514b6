# SPDX-License-Identifier: MIT
"""Describes the module _ffi to cffi: all that the library's header declares.

The declarations are taken from the header itself, so none can be missing or differ. In cffi's API
mode the compiler, which includes the header, checks them again, and brings sizes, offsets and
constants.
"""

import pathlib
import re

import cffi

from pkg_config import flags

# Callbacks: C functions that run the Python function of the same name in _callbacks.py.
CALLBACKS = """
extern "Python" {
  uint64_t on_timer(void *);
  uint64_t on_ttu(void *, const void *, size_t, const void *, size_t, uint64_t);
  uint64_t on_weigh(void *, const void *, size_t, const void *, size_t);
  uint64_t on_choice(void *, uint64_t);
  void on_event(void *, const ct_event *);
  void on_drop(void *, const void *, size_t);
  void *on_alloc(void *, size_t, size_t);
  void on_free(void *, void *, size_t, size_t);
  void *on_state_new(void *, uint64_t);
  void on_state_free(void *);
  void on_insert(void *, uint32_t, uint64_t, const void *, size_t, uint64_t);
  void on_update(void *, uint32_t, uint64_t, const void *, size_t, uint64_t);
  void on_hit(void *, uint32_t, uint64_t);
  void on_remove(void *, uint32_t);
  void on_resize(void *, uint64_t);
  uint32_t on_victim(void *);
  void on_visit(void *, const ct_event *);
  bool on_match(void *, const void *, size_t, const void *, size_t);
  ct_status on_load(void *, const void *, size_t, ct_result *);
  ct_status on_load_many(void *, const ct_bytes *, size_t, ct_result *const *);
  void on_done(void *, ct_status, const ct_value *, ct_lease *);
  ct_status on_compute(void *, const void *, size_t, const ct_bytes *, ct_result *);
  ct_status on_write(void *, const void *, size_t);
  ct_status on_read(void *, void *, size_t, size_t *);
}
"""


def declarations(header):
    """Return what a header declares, as cffi reads it: without comments and preprocessor."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    constants = re.findall(r"^#define (CT_\w+) +(?:0x[0-9a-f]+u|\d+|UINT64_MAX)\s*$", text, re.M)
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#(?:else|endif)", "", text, flags=re.M | re.S)
    text = re.sub(r"^#(?:.*\\\n)*.*$", "", text, flags=re.M)
    return "".join(f"#define {name} ...\n" for name in constants) + text.replace("CT_API", "")


folder = flags("--variable=includedir")[0]
header = pathlib.Path(folder, "cachetools.h").read_text(encoding="utf-8")
builder = cffi.FFI()
builder.cdef(declarations(header) + CALLBACKS)
builder.set_source(
    "libcachetools._ffi",
    "#include <cachetools.h>",
    extra_compile_args=flags("--cflags"),
    extra_link_args=flags("--libs"),
)
