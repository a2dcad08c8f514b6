// SPDX-License-Identifier: MIT
// The list of all kinds. Meson defines a macro for each library that it finds.
#include "../cache.hpp"

namespace bench {
namespace {

Kinds list_kinds() {
  Kinds kinds;
  add_table(kinds);
#ifdef BENCH_FLAT_HASH_MAP
  add_flat_hash_map(kinds);
#endif
  add_cachetools(kinds);
#ifdef BENCH_ROCKSDB
  add_rocksdb(kinds);
#endif
#ifdef BENCH_LEVELDB
  add_leveldb(kinds);
#endif
#ifdef BENCH_MULTI_INDEX
  add_multi_index(kinds);
#endif
#ifdef BENCH_ONETBB
  add_onetbb(kinds);
#endif
#ifdef BENCH_TKRZW
  add_tkrzw(kinds);
#endif
#ifdef BENCH_RUST
  add_rust(kinds);
#endif
  return kinds;
}

}  // namespace

const Kinds &kinds() {
  static const Kinds all = list_kinds();
  return all;
}

const Kind *find_kind(std::string_view name) {
  for (const Kind &kind : kinds())
    if (kind.name == name) return &kind;
  return nullptr;
}

}  // namespace bench
