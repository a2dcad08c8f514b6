#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks by clang's thread-safety analysis that what a lock guards is touched under it only.

Usage: check_locks.py ROOT CLANG++ [--self-test] [FLAG...]

All of src/ and abi/ is analysed. What would make the analysis pass over a breach is looked for in
the text: functions that it takes at their word, other than those named here; fields beside a lock
that name no lock; means to switch it off. --self-test plants a breach of each kind in a copy, and
fails unless it is found.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

# The functions that the analysis takes at their word. A comment beside each unchecked one says why.
TRUSTED = {
    "CT_UNCHECKED": [
        ("src/shard/budget.hpp", "give_back"),
        ("src/shard/budget.hpp", "wait"),
        ("src/shard/shard.hpp", "[function]"),  # the lambda in Shard::under_lock
        ("src/shard/shard.hpp", "unlocked"),    # the optimistic reader
        ("src/shard/shard_lock.hpp", "lock"),
        ("src/shard/shard_lock.hpp", "try_lock"),
        ("src/shard/shard_lock.hpp", "unlock"),
        ("src/shard/shard_store.hpp", "on_copy"),
    ],
    # The body of a constructor is not analysed, so it may only say that it takes the lock.
    "CT_ACQUIRE": [
        ("src/base/lock.hpp", "Guard"),
        ("src/base/lock.hpp", "lock"),
        ("src/shard/shard.hpp", "Locked"),
        ("src/shard/shard.hpp", "Settled"),
        ("src/shard/shard_lock.hpp", "ShardGuard"),
        ("src/shard/shard_lock.hpp", "lock"),
    ],
}
# What may switch the analysis off, or assert in clang's own words. Only annotations.hpp has them.
ANNOTATIONS = "src/base/annotations.hpp"
SWITCH = re.compile(r"^(?:\s*#\s*\d|.*(?:#\s*(?:pragma|undef|line)\b|_Pragma|__clang|\bclang:|"
                    r"CT_ANNOTATE|__attribute__(?!\(\(__may_alias__\)\))|assert_capability|"
                    r"no_thread_safety_analysis)).*$", re.MULTILINE)


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def sources(root):
    found = []
    for top in ("src", "abi"):
        for folder, below, names in os.walk(os.path.join(root, top)):
            if top == "abi":
                below.clear()  # wrappers for other languages
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names
                      if re.search(r"\.[chi]\w*$", name)]
    return sorted(found)


# ---- What the text says --------------------------------------------------------------------------

def trusted(text, mark):
    """The functions that have the mark, each with whether its reason stands beside it."""
    for match in re.finditer(r"\b%s\b" % mark, text):
        before = text[:match.start()]
        declaration = re.split(r"[;{}]|\w:\n", re.sub(r"//.*", "", before))[-1]
        function = re.search(r"([~\w\[\]&=]+)\(", declaration)
        _, reason, between = before.rpartition("// Unchecked")
        is_beside = reason != "" and not re.search(r"[;}]\n|\n\n", between)
        yield function[1] if function else declaration.strip(), is_beside


def is_constant(field):
    return re.search(r"&\w+$|\*const \w+$|\(\*const |^std::atomic<", field) or (
        field.startswith("const ") and "*" not in field)


def unguarded(text, locks):
    """The fields that stand beside a lock, may change, and name no lock."""
    text = re.sub(r"//.*|^#.*", "", text, flags=re.MULTILINE)
    for lock in re.finditer(r"^( *)(?:mutable )?(?:%s) \w+;" % locks, text, re.MULTILINE):
        outside = r"^(?!%s|\n| *(?:public|private|protected):).+$" % (lock[1] or ".")
        start = [line.end() for line in re.finditer(outside, text[:lock.start()], re.MULTILINE)]
        end = re.compile(outside, re.MULTILINE).search(text, lock.end())
        beside = text[start[-1] if start else 0:end.start() if end else len(text)]
        field_of_it = r"^%s(\w[^;{}]*(?:\{(?:[^;{}]|\{[^;{}]*\})*\})?);" % lock[1]
        for statement in re.findall(field_of_it, beside, re.MULTILINE):
            field = re.split(r"\s*[={[]", statement)[0]
            if re.match(r"(?:%s|static|constexpr|using|friend|enum|struct|class)\b" % locks,
                        field.replace("mutable ", "")) or is_constant(field):
                continue
            if "GUARDED_BY(" not in field and ("(" not in field or "(*" in field):
                yield " ".join(field.split())


def problems_of_text(root):
    found, seen = [], {mark: [] for mark in TRUSTED}
    texts = {name: read(root, name) for name in sources(root) if name != ANNOTATIONS}
    locks = "|".join(re.findall(r'CT_CAPABILITY\("[^"]*"\) (\w+)', "\n".join(texts.values())))
    for name, text in texts.items():
        for mark in TRUSTED:
            for function, has_reason in trusted(text, mark):
                seen[mark].append((name, function))
                if mark == "CT_UNCHECKED" and not has_reason:
                    found.append("%s: no reason beside %s" % (name, function))
        found += ["%s: beside a lock, but names none: %s" % (name, field)
                  for field in unguarded(text, locks)]
        found += ["%s: may switch off the analysis: %s" % (name, line.strip())
                  for line in SWITCH.findall(text)]
    for mark, known in TRUSTED.items():
        if sorted(seen[mark]) != known:
            found.append("%s is not at the known functions alone: %s" % (mark, seen[mark]))
    return found


# ---- What clang says -----------------------------------------------------------------------------

def flags_of_hiredis():
    """What src/redis/ is compiled with, or None where it is not built."""
    ask = ["pkg-config", "--atleast-version=1.1", "hiredis"]
    if shutil.which("pkg-config") is None or subprocess.run(ask).returncode != 0:
        return None
    cflags = subprocess.run(["pkg-config", "--cflags", "hiredis"], stdout=subprocess.PIPE, text=True)
    return cflags.stdout.split()


def analyse(root, compiler, name, flags):
    command = compiler + ["-std=c++17", "-fsyntax-only", "-fno-exceptions", "-fno-rtti",
                          "-Wthread-safety", "-Wthread-safety-beta", "-Werror=thread-safety",
                          "-Werror=thread-safety-beta", "-Werror=macro-redefined",
                          "-I" + os.path.join(root, "include"), "-I" + os.path.join(root, "src"),
                          os.path.join(root, name)] + flags
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout


def problems_of_code(root, compiler, names):
    hiredis = flags_of_hiredis()
    extra = {name: hiredis for name in names if name.startswith("src/redis/")}
    jobs = [(name, flags + extra.get(name, [])) for name in names
            if extra.get(name, []) is not None for flags in ([], ["-DCT_VALIDATE"])]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [text for text in pool.map(lambda job: analyse(root, compiler, *job), jobs) if text]


def problems(root, compiler):
    # The programs include the public header only, and so none of the locks.
    names = [name for name in sources(root)
             if name.endswith(".cpp") and not name.startswith("src/tools/")]
    return problems_of_text(root) + problems_of_code(root, compiler, names)


# ---- The self-test -------------------------------------------------------------------------------

LOCKED = "  Locked locked(*this);\n"
SHARD, PINS, LOAD = "src/shard/shard.hpp", "src/shard/shard_pins.cpp", "src/shard/shard_load.cpp"
# What is taken out of a file, what is put there instead, and the message that it must bring.
BREACHES = {
    # Clang finds these.
    "a guarded field without the lock":
        ("src/shard/shard.cpp", LOCKED + "  counters_.add_to(stats);", "  counters_.add_to(stats);",
         "requires holding"),
    "a function without the lock that it needs":
        (LOAD, LOCKED + "  invalidate_key(probe);", "  invalidate_key(probe);", "requires holding"),
    "a removal before the policy knows all uses":
        ("src/shard/shard_remove.cpp", "  Settled settled(*this);\n  invalidate_key(probe);",
         LOCKED + "  invalidate_key(probe);", "requires holding"),
    "a lock that is taken twice":
        (PINS, LOCKED, LOCKED + "  Locked again(*this);\n", "already held"),
    "a heap without its lock":
        ("src/base/page_heap.cpp", "  const Guard guard(lock_);\n", "", "requires holding"),
    "a look at the map without the lock":
        ("src/shard/shard_batch.cpp", "  Shard::Locked locked(shard_);\n  const Place place",
         "  const Place place", "requires holding"),
    "a visit whose visitor does not say that it needs the lock":
        ("src/shard/shard_remove.cpp", "[&](Ref ref) CT_REQUIRES(lock_)", "[&](Ref ref)",
         "requires holding"),
    "a visitor that is passed on without the lock":
        ("src/shard/shard_move.cpp", "under_lock(move_out)", "move_out", "requires holding"),
    "a visitor that is said to run under a lock that is not held":
        ("src/shard/shard.cpp", "  Settled settled(*this);\n  if (pins_", "  if (pins_",
         "calling function 'under_lock"),
    "a read that tells the policy without the lock":
        (SHARD, "  return reader.try_record", "  reader.settle();\n  return reader.try_record",
         "no member named 'settle'"),
    "a read that changes the order without the lock":
        (SHARD, "  return reader.try_record", "  reader.order_changed();\n  return reader.try_record",
         "no member named 'order_changed'"),
    "a read that looks as writers do without the lock":
        (SHARD, "unlocked().seek_home<Access::kOptimistic>(probe, &found)", "unlocked().find(probe)",
         "no member named 'find'"),
    "an annotation that is defined anew":
        (LOAD, "namespace ct {", "#define CT_GUARDED_BY(lock)\nnamespace ct {", "macro redefined"),
    # The text shows these.
    "a pragma":
        (PINS, "namespace ct {",
         '#pragma clang diagnostic ignored "-Wthread-safety-analysis"\nnamespace ct {',
         "may switch off"),
    "a pragma inside of a line":
        (PINS, "namespace ct {",
         '_Pragma("clang diagnostic ignored \\"-Wthread-safety-analysis\\"") namespace ct {',
         "may switch off"),
    "a line that claims to be of a system's header":
        (PINS, "namespace ct {", '# 1 "shard.hpp" 3\nnamespace ct {', "may switch off"),
    "code that clang does not see":
        (PINS, LOCKED, "#ifdef __clang__\n" + LOCKED + "#endif\n", "may switch off"),
    "an exempt function in clang's own words":
        (LOAD, "void Shard::invalidate_all() {",
         "__attribute__((no_thread_safety_analysis)) void Shard::invalidate_all() {",
         "may switch off"),
    "a function that only says that the lock is held":
        (SHARD, "  bool keeps_stats() const",
         "  void pretend() const CT_ANNOTATE(assert_capability(lock_)) {}\n"
         "  bool keeps_stats() const", "may switch off"),
    "a scope that only says that it takes the lock":
        (SHARD, "  bool keeps_stats() const",
         "  struct CT_SCOPED_CAPABILITY Pretence {\n"
         "    explicit Pretence(Shard &shard) CT_ACQUIRE(shard.lock_) {}\n"
         "    ~Pretence() CT_RELEASE() {}\n  };\n  bool keeps_stats() const",
         "CT_ACQUIRE is not at"),
    "one more exempt function":
        (LOAD, "Landing Shard::check_in(", "CT_UNCHECKED Landing Shard::check_in(",
         "CT_UNCHECKED is not at"),
    "an exempt function in abi/":
        ("abi/value.cpp", "#include", "// Unchecked.\nvoid f() CT_UNCHECKED;\n#include",
         "CT_UNCHECKED is not at"),
    "one exempt function instead of another":
        (SHARD, "order_version() const CT_REQUIRES(lock_) {", "order_version() const CT_UNCHECKED {",
         "CT_UNCHECKED is not at"),
    "an exempt function without a reason":
        ("src/shard/budget.hpp", "  // Unchecked, as wait is.\n", "", "no reason beside give_back"),
    "an object that names no lock":
        (SHARD, "Pins pins_ CT_GUARDED_BY(lock_);", "Pins pins_;", "names none: Pins pins_"),
    "a number that names no lock":
        (SHARD, "bool closed_ CT_GUARDED_BY(lock_)", "bool closed_", "names none: bool closed_"),
    "a pointer to a constant that names no lock":
        ("src/base/mapping.cpp", "Lock leftover_lock;",
         "Lock leftover_lock;\nconst char *last = nullptr;", "names none: const char *last"),
}


def problems_of_breach(root, compiler, name, old, new):
    with tempfile.TemporaryDirectory() as folder:
        for part in ("src", "abi", "include"):
            shutil.copytree(os.path.join(root, part), os.path.join(folder, part))
        text = read(folder, name)
        if old not in text:
            return ["there is no place for it"]
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))
        return problems_of_text(folder) or problems_of_code(folder, compiler, [name])


def self_test(root, compiler):
    failed = []
    for what, (name, old, new, message) in BREACHES.items():
        found = problems_of_breach(root, compiler, name, old, new)
        if not any(message in problem for problem in found):
            failed.append("not found: %s, but %s" % (what, found))
    return failed


def main():
    root, arguments = sys.argv[1], sys.argv[2:]
    compiler = [argument for argument in arguments if argument != "--self-test"]
    found = (self_test if "--self-test" in arguments else problems)(root, compiler)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
