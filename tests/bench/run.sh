#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures the library beside other caches: installs the packages that are missing, builds it
# optimized, runs the benchmarks, counts instructions, replays traces, and ends in a page of tables,
# with pictures beside it.
set -eu

usage() {
  cat <<END
Usage: run.sh [OPTION]...

Measures libcachetools beside other caches. It prints short tables and leaves them,
with all figures, pictures and everything that was measured, in the folder of
results. Five rounds take about twenty minutes; leave the machine alone meanwhile.
Where Valgrind is, it counts instructions too, in a few minutes. What is not
measured stands in the tables as recorded in tests/bench/results.

  --quick           one round of few sizes, in less than a minute: no figures to quote,
                    and no instructions
  --long            nine rounds, and caches of 10,000,000 entries; takes hours
  --instructions    only counts instructions; the machine may do other things meanwhile
  --rounds NUMBER   how often all caches are measured in turns; medians are told
  --caches NAMES    which caches, parted by commas, as bench_cache --list names them
  --traces FOLDER   replays each NAME.u64 and NAME.u64.xz in it (by default
                    tests/data/traces; tests/data/traces/README.md says of what form)
  --build FOLDER    where to build (by default build-bench)
  --results FOLDER  where to leave the results (by default BUILD/results)
  --record          copies page, figures and pictures to tests/bench/results, for the
                    repository
  --help            this text
END
}

refuse() {
  echo "run.sh: $1" >&2
  echo 'Try run.sh --help.' >&2
  exit 2
}

extent=default record=no times=yes
rounds='' caches='' traces='' build='' results=''
while [ $# -gt 0 ]; do
  case $1 in
    --rounds | --caches | --traces | --build | --results)
      if [ -z "${2-}" ]; then refuse "$1 wants a value"; fi
      ;;
  esac
  case $1 in
    --quick) extent=quick ;;
    --long) extent=long ;;
    --instructions) times=no ;;
    --rounds) rounds=$2 && shift ;;
    --caches) caches=$2 && shift ;;
    --traces) traces=$2 && shift ;;
    --build) build=$2 && shift ;;
    --results) results=$2 && shift ;;
    --record) record=yes ;;
    --help) usage && exit 0 ;;
    *) refuse "unknown option '$1'" ;;
  esac
  shift
done
if [ $extent = quick ] && [ $times = no ]; then refuse '--quick counts no instructions'; fi
if [ $record = yes ] && { [ $extent = quick ] || [ -n "$caches" ]; }; then
  refuse '--record wants all figures: no --quick and no --caches'
fi
case $rounds in
  *[!0-9]* | 0*) refuse "not a number of rounds: '$rounds'" ;;
esac

# shellcheck source=tests/setup.sh
. "$(dirname "$0")/../setup.sh"
build=${build:-$root/build-bench}
results=${results:-$build/results}
traces=${traces:-$root/tests/data/traces}
[ -d "$traces" ] || refuse "there is no folder '$traces'"

# Installs the libraries that have an adapter. If some are missing, there is less to compare with.
set_up_peers() {
  absent=$(missing lib:absl_flat_hash_map header:boost/version.hpp header:leveldb/cache.h \
    lib:rocksdb lib:tbb lib:tkrzw cargo | tr '\n' ' ')
  if [ -z "$absent" ]; then return; fi
  run=as_root install=false packages=
  if command -v apt-get >"$log"; then
    install=$install_by_apt
    packages='libabsl-dev libboost-dev libleveldb-dev librocksdb-dev libtbb-dev libtkrzw-dev cargo'
  elif command -v dnf >"$log"; then
    install='dnf install -y'
    packages='abseil-cpp-devel boost-devel leveldb-devel rocksdb-devel tbb-devel cargo'
  elif command -v apk >"$log"; then
    install='apk add'
    packages='abseil-cpp-dev boost-dev leveldb-dev rocksdb-dev onetbb-dev cargo'
  elif command -v pacman >"$log"; then
    install='pacman -S --needed --noconfirm'
    packages='abseil-cpp boost leveldb rocksdb onetbb rust'
  elif command -v brew >"$log"; then
    install='brew install' run='sh -c' # which refuses to run as root
    packages='abseil boost leveldb rocksdb tbb tkrzw rust'
  fi
  # shellcheck disable=SC2086 # words
  quietly "Installing libraries to compare with, as there is no $absent" $run "$install $packages" ||
    echo "Going on without: $absent"
}

build_optimized() {
  if [ -f "$build/build.ninja" ]; then reconfigure=--reconfigure; else reconfigure=; fi
  # shellcheck disable=SC2086 # nothing or a word
  meson setup $reconfigure "$build" "$root" -Dbuildtype=release -Db_ndebug=true -Dbench=true &&
    meson compile -C "$build" bench_cache cachetools-sim
}

replay_traces() {
  for file in "$traces"/*.u64 "$traces"/*.u64.xz; do
    if [ ! -f "$file" ]; then continue; fi
    name=$(basename "$file" .xz)
    case $file in
      *.xz) xz -dc "$file" ;;
      *) cat "$file" ;;
    esac | "$build/src/tools/cachetools-sim" --format=u64 --json \
      --sizes=0.1%,0.2%,0.5%,1%,2%,3%,5%,7.5%,10%,15%,20%,30% \
      >"$results/hit_ratio_${name%.u64}.json" || return 1
  done
}

set_up bench
set_up_peers
quietly "Building" build_optimized || exit 1
sed -n 's/.*WARNING: \(.* left out.*\)/\1/p' "$log"
mkdir -p "$results"
rm -f "$results"/hit_ratio_* "$results"/*.jsonl "$results"/*.svg
cp "$root"/tests/bench/results/*.json "$results"
quietly "Replaying traces" replay_traces || exit 1
measure() { # file of the results, options ...
  out=$results/$1
  shift
  python3 "$root/tests/bench/measure.py" --program "$build/tests/bench/bench_cache" \
    --out "$out" ${caches:+--caches "$caches"} "$@"
}
if [ $times = yes ]; then measure measured.jsonl --extent $extent ${rounds:+--rounds "$rounds"}; fi
if ! command -v valgrind >"$log"; then
  echo 'There is no valgrind here, so instructions are not counted.'
elif [ $extent != quick ]; then
  measure counted.jsonl --count
fi
python3 "$root/tests/bench/report.py" --build "$build" "$results"
echo
echo "Tables, pictures and figures: $results"
if [ $record = yes ]; then
  mkdir -p "$root/tests/bench/results"
  cp "$results"/*.md "$results"/*.svg "$results"/speed.json "$results"/instructions.json \
    "$root/tests/bench/results"
  echo "Recorded in tests/bench/results"
fi
