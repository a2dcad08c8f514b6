#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs cachetools-sim, and checks its output, its pictures and its exit status. Prints TAP.

    test_sim.py --program PATH --source CHECKOUT [--libarchive] [--gnuplot] [--limits]

--libarchive says that the program was built with it, --gnuplot that gnuplot is there, --limits that
the memory of the program can be limited, which sanitizers do not allow.
"""

import argparse
import csv
import gzip
import io
import json
import lzma
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

ARGUMENTS = None

SYSTEM_FAILED, REFUSED = 1, 2

SMALL = b"a\nb\na\nc\nb\na\n"

# Labels of reference_miss_ratio.csv, and how far the library may be from it, as in test_trace.c.
REFERENCES = {
    "FIFO": ("FIFO", 1e-6),
    "LRU": ("LRU", 1e-6),
    "Clock": ("CLOCK", 1e-6),
    "SIEVE": ("SIEVE", 1e-6),
    "ARC": ("ARC", 0.001),
    "S3-FIFO": ("S3FIFO", 0.005),
}


def zstd(data):
    """A frame of one block that is not compressed, as Python has no zstd."""
    assert len(data) < 256
    block = struct.pack("<I", 1 | len(data) << 3)[:3]
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + block + data


class SimTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.web12 = ARGUMENTS.source / "tests/data/traces/web12.u64.xz"

    def run_sim(self, *options, data=b"", env=None, **more):
        return subprocess.run([ARGUMENTS.program, *options], input=data, capture_output=True,
                              env={**os.environ, **(env or {})}, check=False, **more)

    def output(self, *options, data=b"", env=None):
        done = self.run_sim(*options, data=data, env=env)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        return done.stdout.decode()

    def rows(self, *options, data=b""):
        return list(csv.DictReader(io.StringIO(self.output("--csv", *options, data=data))))

    def assert_fails(self, status, message, *options, data=SMALL, **more):
        done = self.run_sim(*options, data=data, **more)
        self.assertEqual((status, b""), (done.returncode, done.stdout))
        self.assertEqual(f"cachetools-sim: {message}\n", done.stderr.decode())

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def web12_as_u64(self):
        return lzma.decompress(self.web12.read_bytes())

    def web12_as_text(self):
        numbers = struct.iter_unpack("<Q", self.web12_as_u64())
        return "".join(f"{number}\n" for number, in numbers).encode()


class TestOutput(SimTest):
    def test_table_of_small_trace(self):
        self.assertEqual("""\
standard input: 6 requests for 3 keys

Miss ratio (* lowest for its size)
size          1       2    100%
entries       1       2       3
LRU      1.0000* 0.8333  0.5000*
FIFO     1.0000* 0.6667* 0.5000*
""", self.output("-s", "2,100%,1", "-p", "lru,FIFO", data=SMALL))

    def test_table_of_bytes(self):
        self.assertEqual("""\
standard input: 5 requests for 3 keys of 130 bytes

Miss ratio (* lowest for its size)
size         30    100%
bytes        30     130
LRU      0.6000* 0.6000*

Byte miss ratio (* lowest for its size)
size         30    100%
bytes        30     130
LRU      0.8125* 0.8125*
""", self.output("-bp", "LRU", "-s", "30,100%", data=b"a 10\nb 20\na 10\nc 100\nb 20\n"))

    def test_wide_numbers_keep_columns_apart(self):
        table = self.output("-p", "LRU", "-s", "10000000,20000000", data=SMALL).splitlines()
        self.assertEqual(["size     10000000  20000000", "entries  10000000  20000000",
                          "LRU        0.5000*   0.5000*"], table[3:])

    def test_csv(self):
        self.assertEqual("""\
policy,size,entries,misses,miss_ratio
LRU,2,2,5,0.833333
LRU,100%,3,3,0.500000
FIFO,2,2,4,0.666667
FIFO,100%,3,3,0.500000
""", self.output("--csv", "-s", "100%,2", "-p", "LRU,FIFO", data=SMALL))

    def test_csv_of_bytes(self):
        self.assertEqual("""\
policy,size,bytes,misses,miss_ratio,missed_bytes,byte_miss_ratio
LRU,30,30,3,0.600000,130,0.812500
""", self.output("--csv", "-bp", "LRU", "-s30", data=b"a 10\nb 20\na 10\nc 100\nb 20\n"))

    def test_json(self):
        path = self.write("trace", b"a 10\nb 20\na 10\n")
        self.assertEqual({
            "trace": str(path), "requests": 3, "keys": 2, "requested_bytes": 40, "key_bytes": 30,
            "ttl": 9, "seed": 7,
            "results": [
                {"policy": policy, "size": size, "bytes": entries, "misses": 2,
                 "miss_ratio": 0.666667, "missed_bytes": 30, "byte_miss_ratio": 0.75}
                for policy in ("ARC", "TTL") for size, entries in (("30", 30), ("1k", 1000))],
        }, json.loads(self.output("--json", "--bytes", "--ttl=9", "--seed=7", "-s1k,30",
                                  "-pARC,TTL", str(path))))

    def test_json_has_no_more_than_was_asked_for(self):
        told = json.loads(self.output("--json", "-s1", "-pLRU", data=SMALL))
        self.assertEqual(["trace", "requests", "keys", "seed", "results"], list(told))
        self.assertEqual(["policy", "size", "entries", "misses", "miss_ratio"],
                         list(told["results"][0]))

    def test_json_escapes_the_name_of_the_trace(self):
        for name, expected in ((b'q"b\\n\n\x01t\tu\xc3\xa9', 'q"b\\n\n\x01t\tué'), (b"\xff\xc3u", "??u")):
            path = os.path.join(os.fsencode(self.folder), name)
            with open(path, "wb") as file:
                file.write(SMALL)
            told = json.loads(self.output("--json", "-s1", "-pLRU", path))
            self.assertEqual(f"{self.folder}/{expected}", told["trace"])

    def test_default_sizes_of_a_short_trace_are_each_told_once(self):
        sizes = [(row["size"], row["entries"]) for row in self.rows("-pLRU", data=SMALL)]
        self.assertEqual([("0.1%", "1"), ("50%", "2")], sizes)

    def test_default_policies_are_all_that_need_no_program(self):
        default = [row["policy"] for row in self.rows("-s1", data=SMALL)]
        self.assertEqual(default, [row["policy"] for row in self.rows("-s1", "-pall", data=SMALL)])
        self.assertTrue({"LRU", "FIFO", "LFU", "RR", "MRU", "CLOCK", "SIEVE", "S3FIFO",
                         "WTINYLFU", "ARC"} <= set(default))
        self.assertFalse({"TTL", "TLRU", "ANY", "CUSTOM"} & set(default))

    def test_policy_ttl_joins_with_a_lifetime(self):
        rows = {row["policy"]: row for row in self.rows("-s2", "--ttl=2", data=SMALL)}
        self.assertEqual(rows["LRU"]["misses"], rows["TTL"]["misses"])

    def test_sizes_are_rounded_and_take_units(self):
        keys = "".join(f"{i}\n" for i in range(137)).encode()
        sizes = "1%,1.1%,.1%,50%,7,2k,3K,1M,1G,1T,1Ki,1Mi,1Gi,1Ti"
        entries = {row["size"]: int(row["entries"]) for row in self.rows("-pLRU", "-s" + sizes,
                                                                         data=keys)}
        self.assertEqual({".1%": 1, "1%": 1, "1.1%": 2, "7": 7, "50%": 69, "1Ki": 1024,
                          "2k": 2000, "3K": 3000, "1M": 10**6, "1Mi": 2**20, "1G": 10**9,
                          "1Gi": 2**30, "1T": 10**12, "1Ti": 2**40}, entries)

    def test_help_fits_a_screen(self):
        lines = self.output("--help").splitlines()
        self.assertLessEqual(len(lines), 23)  # the prompt needs one
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual("usage: cachetools-sim [options] [TRACE]", lines[0])

    def test_help_and_version_come_before_anything_is_read(self):
        self.assertEqual(self.output("-h"), self.output("--help", "no such trace"))
        version = self.output("-V", "no such trace")
        self.assertRegex(version, r"^cachetools-sim \d+\.\d+\.\d+ \(unpacks .*\)\n$")
        self.assertEqual(ARGUMENTS.libarchive, "xz" in version)

    def test_manual_tells_of_every_option_and_policy(self):
        manual = (ARGUMENTS.source / "src/tools/cachetools-sim.1").read_text()
        options = re.findall(r"--([a-z]+)", self.output("--help"))
        self.assertGreater(len(options), 10)
        for name in options:
            self.assertRegex(manual, rf"(?m)^\.It Fl (\w , Fl )?-{name}\b")
        for row in self.rows("-s1", "--ttl=1", data=SMALL):
            self.assertRegex(manual, rf"(?m)^(\.Cm .*)?\b{row['policy']}\b")

    def test_readme_shows_what_is_printed(self):
        readme = (ARGUMENTS.source / "README.md").read_text()
        shown = re.search(
            r"    \$ (.*\bcachetools-sim\b(?:.*\\\n)*.*)\n((?:(?:    .*)?\n)+)", readme)
        command = re.sub("(?m)^    ", "", shown.group(1))
        expected = re.sub("(?m)^    ", "", shown.group(2)).rstrip()
        folder = str(pathlib.Path(ARGUMENTS.program).resolve().parent)
        printed = subprocess.run(
            command, shell=True, check=True, capture_output=True, text=True, cwd=ARGUMENTS.source,
            env={**os.environ, "PATH": folder + os.pathsep + os.environ["PATH"]})
        self.assertEqual("", printed.stderr)
        self.assertEqual(expected, printed.stdout.rstrip())


class TestReplay(SimTest):
    def test_miss_ratios_equal_reference(self):
        text = (ARGUMENTS.source / "tests/data/traces/reference_miss_ratio.csv").read_text()
        cells = [row for row in csv.DictReader(io.StringIO(text))
                 if row["trace"] == "web12" and row["policy"] in REFERENCES]
        self.assertEqual(5 * len(REFERENCES), len(cells))
        sizes = {f"{100 * float(cell['cache_fraction']):g}%" for cell in cells}
        for options, data in ((["--format=u64"], self.web12_as_u64()), ([], self.web12_as_text())):
            rows = self.rows("-p", ",".join(name for name, _ in REFERENCES.values()),
                             "-s", ",".join(sizes), *options, data=data)
            found = {(row["policy"], row["entries"]): float(row["miss_ratio"]) for row in rows}
            for cell in cells:
                policy, tolerance = REFERENCES[cell["policy"]]
                self.assertAlmostEqual(float(cell["miss_ratio"]),
                                       found[policy, cell["cache_entries"]], delta=tolerance,
                                       msg=f"{policy}, {cell['cache_entries']} entries")

    def test_lifetime_is_counted_in_requests(self):
        # With 3, what was stored at the first request is found at the third and stale at the fourth.
        for ttl, misses in ((1, 8), (2, 5), (3, 4), (4, 3), (6, 3), (7, 3), (8, 2)):
            rows = self.rows("-s9", "-pLRU", f"--ttl={ttl}", data=b"a\nb\na\na\na\na\na\na\n")
            self.assertEqual(str(misses), rows[0]["misses"], msg=ttl)

    def test_found_key_keeps_the_size_that_it_was_stored_with(self):
        rows = self.rows("-b", "-s100", "-pLRU", data=b"a 10\na 95\nb 60\na 10\nc 40\nb 60\n")
        self.assertEqual(("4", "170"), (rows[0]["misses"], rows[0]["missed_bytes"]))

    def test_whole_of_bytes_counts_each_key_at_its_largest(self):
        rows = self.rows("-b", "-s100%", "-pLRU", data=b"a 10\nb 7\na 95\na 20\n")
        self.assertEqual("102", rows[0]["bytes"])

    def test_keys_of_no_bytes_are_found(self):
        rows = self.rows("-b", "-s1", "-pLRU", data=b"a 0\nb 0\na 0\n")
        self.assertEqual(("2", "0.000000"), (rows[0]["misses"], rows[0]["byte_miss_ratio"]))

    def test_same_command_prints_the_same_with_however_many_threads(self):
        options = ["-pRR,WTINYLFU", "-s1%,10%", "--csv"]
        data = self.web12_as_text()
        once = self.output(*options, "-t1", data=data)
        for threads in ("1", "3"):
            self.assertEqual(once, self.output(*options, "--threads", threads, data=data))
        self.assertNotEqual(once, self.output(*options, "--seed=2", data=data))


class TestInput(SimTest):
    def misses(self, *options, data=b""):
        return self.rows("-s2", "-pFIFO", *options, data=data)[0]["misses"]

    def test_standard_input_is_the_default(self):
        self.assertEqual("4", self.misses(data=SMALL))
        self.assertEqual("4", self.misses("-", data=SMALL))
        self.assertEqual("4", self.misses(str(self.write("trace", SMALL))))

    def test_sizes_are_ignored_without_bytes(self):
        self.assertEqual("4", self.misses(data=b"a 9\nb 0\na 7\nc\nb\na\n"))

    def test_blanks_around_and_other_line_ends(self):
        self.assertEqual("4", self.misses(data=b"  a\r\n\tb\t7 \r\na\nc  1\nb \na"))

    def test_keys_are_any_bytes_but_blanks(self):
        self.assertEqual("4", self.misses(data=b"\xff\x01\n#\n\xff\x01\n\xc3\xa9\n#\n\xff\x01\n"))

    def test_longest_line(self):
        key = b"k" * 65536
        self.assertEqual("2", self.misses(data=key + b"\nb\n" + key))
        self.assert_fails(REFUSED, "standard input: line 2: the line is longer than 65536 bytes",
                          data=b"b\n" + key + b"k\n")
        self.assert_fails(REFUSED, "standard input: line 1: the line is longer than 65536 bytes",
                          data=b"k" * 1000000)

    def test_u64(self):
        self.assertEqual("4", self.misses("--format=u64", data=struct.pack("<6Q", 1, 2**64 - 1, 1, 0,
                                                                          2**64 - 1, 1)))

    def test_long_trace_arrives_in_pieces(self):
        lines = b"".join(b"%d\n" % (i % 1000) for i in range(300000))
        numbers = struct.pack("<300000Q", *(i % 1000 for i in range(300000)))
        for options, data in (([], lines), (["--format=u64"], numbers)):
            read, write = os.pipe()
            with subprocess.Popen([ARGUMENTS.program, "--csv", "-pLRU", "-s1000", *options],
                                  stdin=read, stdout=subprocess.PIPE) as process:
                os.close(read)
                with os.fdopen(write, "wb", buffering=0) as pipe:
                    for begin in range(0, len(data), 4093):
                        pipe.write(data[begin:begin + 4093])
                output = process.stdout.read().decode()
            self.assertEqual("LRU,1000,1000,1000,0.003333", output.splitlines()[1])

    def test_packed(self):
        for packed, name in ((gzip.compress(SMALL), "gzip"), (lzma.compress(SMALL), "xz"),
                             (zstd(SMALL), "zstd"),
                             (gzip.compress(SMALL[:4]) + gzip.compress(SMALL[4:]), "gzip")):
            path = self.write("trace", packed)
            if ARGUMENTS.libarchive:
                self.assertEqual("4", self.misses(data=packed))
                self.assertEqual("4", self.misses(str(path)))
            else:
                self.assert_fails(
                    REFUSED, f"standard input: the trace is packed by {name}, and this cachetools-sim "
                    "was built without libarchive; unpack the trace first", data=packed)

    def test_packed_but_truncated_or_altered(self):
        if not ARGUMENTS.libarchive:
            return
        packed = self.web12.read_bytes()
        for data in (packed[:1000], packed[:5000] + b"!" * 100 + packed[5100:],
                     gzip.compress(self.web12_as_u64())[:1000]):
            done = self.run_sim("--format=u64", data=data)
            self.assertEqual((REFUSED, b""), (done.returncode, done.stdout))
            self.assertRegex(done.stderr, b"^cachetools-sim: standard input: (.*gzip|Lzma).*\n$")


class TestMistakes(SimTest):
    def test_traces(self):
        for reason, data, *options in (
                ("the trace has no request", b""),
                ("line 3: the line has no key", b"a\nb\n\na\n"),
                ("line 2: the line has no key", b"a\n \t\n"),
                ("line 2: the line has more than a key and a size", b"a 1\na 2 3\n"),
                ("line 1: 'big' is not a size in bytes", b"a big\n"),
                ("line 1: '-1' is not a size in bytes", b"a -1\n"),
                ("line 1: '+1' is not a size in bytes", b"a +1\n"),
                ("line 1: '1e3' is not a size in bytes", b"a 1e3\n"),
                ("line 1: '18446744073709551616' is not a size in bytes",
                 b"a 18446744073709551616\n"),
                ("line 2: the line has no size, which --bytes requires", b"a 1\nb\n", "-b"),
                ("line 2: the sum of all sizes is 2^63 or more",
                 b"a 9223372036854775807\nb 1\n", "-b"),
                ("line 2: the line has a zero byte, so the trace is no text; try --format=u64",
                 b"a\nb\0\n"),
                ("the trace has no request", b"", "--format=u64"),
                ("3 bytes are left after 2 keys of 8 bytes", b"1" * 19, "--format=u64"),
        ):
            self.assert_fails(REFUSED, "standard input: " + reason, *options, data=data)

    def test_message_names_the_file(self):
        path = self.write("trace", b"a\n\n")
        self.assert_fails(REFUSED, f"{path}: line 2: the line has no key", str(path))

    def test_files_that_cannot_be_read(self):
        self.assert_fails(SYSTEM_FAILED, "no/such/trace: No such file or directory", "no/such/trace")
        self.assert_fails(SYSTEM_FAILED, f"{self.folder}: Is a directory", str(self.folder))
        self.assert_fails(SYSTEM_FAILED, "standard input: Bad file descriptor", data=None,
                          preexec_fn=lambda: os.close(0))

    def test_sizes(self):
        percentage = "is not a percentage above 0 and up to 100"
        amount = ("is neither a percentage nor a whole number from 1 on, such as 1000, 20k or 64Mi")
        for size, reason in (("0%", percentage), ("0.0%", percentage), ("100.1%", percentage),
                             ("-1%", percentage), ("x%", percentage), ("%", percentage),
                             ("1e1%", percentage), ("nan%", percentage), ("1.2.3%", percentage),
                             (" 1%", percentage), ("0", amount), ("-1", amount), ("1.5", amount),
                             ("many", amount), ("", amount), ("1kk", amount), ("1x", amount),
                             ("k", amount), ("18446744073709551616", amount),
                             ("18446744073709551615k", amount)):
            self.assert_fails(REFUSED, f"--sizes: '{size}' {reason}", "--sizes=5%," + size)
        self.assert_fails(REFUSED, "--sizes: '1.0%' is given twice", "-s", "1%,2%,1.0%")
        self.assert_fails(REFUSED, "--sizes: '1k' is given twice", "-s", "1000,1k")

    def test_policies(self):
        for policies, reason in (("LRU,NRU", "there is no policy 'NRU'"),
                                 ("all,LRU", "all cannot be combined with others"),
                                 ("", "there is no policy ''"), ("LRU,", "there is no policy ''"),
                                 ("LRU,SIEVE,lru", "LRU is given twice"),
                                 ("TTL", "TTL requires --ttl"),
                                 ("TLRU", "TLRU needs callbacks of a program"),
                                 ("CUSTOM", "CUSTOM needs callbacks of a program")):
            self.assert_fails(REFUSED, f"--policies: {reason}", "-p", policies)

    def test_other_options(self):
        number = "is not a whole number from 1 to 18446744073709551615"
        threads = "is not a whole number from 1 to 1024"
        for options, message in (
                (["--format=json"], "--format: 'json' is neither text nor u64"),
                (["--plot=curve.pdf"], "--plot: 'curve.pdf' ends in neither .svg nor .png"),
                (["--plot="], "--plot: '' ends in neither .svg nor .png"),
                (["--ttl=0"], f"--ttl: '0' {number}"),
                (["--ttl=1h"], f"--ttl: '1h' {number}"),
                (["--seed=-1"], f"--seed: '-1' {number}"),
                (["--threads=0"], f"--threads: '0' {threads}"),
                (["--threads=1025"], f"--threads: '1025' {threads}"),
                (["--csv", "--json"], "either --csv or --json, not both"),
                (["-b", "--format=u64"], "--bytes: traces of --format=u64 have no sizes"),
                (["-s1", "--sizes=2"], "--sizes is given twice"),
                (["-qq"], "--quiet is given twice"),
                (["--csv", "--csv"], "--csv is given twice"),
                (["one", "two"], "only one trace is allowed: 'two' is too many"),
        ):
            self.assert_fails(REFUSED, message, *options)

    def test_options_that_there_are_not(self):
        # The system's getopt says what is wrong, each in its own words.
        for option, named in (("--speed", "speed"), ("-x", "x"), ("--sizes", "sizes"),
                              ("--csv=1", "csv")):
            done = self.run_sim(option, env={"LC_ALL": "C"})
            self.assertEqual((REFUSED, b""), (done.returncode, done.stdout))
            self.assertRegex(
                done.stderr.decode(),
                rf"\Acachetools-sim: .*\b{named}\b.*\ncachetools-sim: see cachetools-sim --help\n\Z")

    def test_terminal_is_no_trace(self):
        terminal, user_side = pty.openpty()
        done = subprocess.run([ARGUMENTS.program], stdin=user_side, capture_output=True, check=False)
        os.close(terminal)
        os.close(user_side)
        self.assertEqual((REFUSED, b"cachetools-sim: there is no trace; see cachetools-sim --help\n"),
                         (done.returncode, done.stderr))

    def test_memory_runs_out(self):
        if not ARGUMENTS.limits:
            return

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))

        with open("/dev/zero", "rb") as zeros:
            done = subprocess.run([ARGUMENTS.program, "--format=u64"], stdin=zeros,
                                  capture_output=True, check=False, preexec_fn=limit)
        self.assertEqual((SYSTEM_FAILED, b"cachetools-sim: there is no memory left\n"),
                         (done.returncode, done.stderr))


class TestSurroundings(SimTest):
    def test_output_that_cannot_be_written(self):
        for option in ("-s1", "--csv", "--json", "--help", "--version"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([ARGUMENTS.program, option], input=SMALL, stdout=full,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(
                (SYSTEM_FAILED, b"cachetools-sim: standard output: No space left on device\n"),
                (done.returncode, done.stderr))

    def run_with_reader_gone(self, **more):
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run([ARGUMENTS.program, "-s1"], input=SMALL, stdout=write,
                                  stderr=subprocess.PIPE, check=False, **more)
        finally:
            os.close(write)
        return done.returncode, done.stderr

    def test_broken_pipe_ends_it_as_any_other(self):
        self.assertEqual((-signal.SIGPIPE, b""), self.run_with_reader_gone())

    def test_broken_pipe_is_told_where_its_signal_is_ignored(self):
        self.assertEqual((SYSTEM_FAILED, b"cachetools-sim: standard output: Broken pipe\n"),
                         self.run_with_reader_gone(restore_signals=False))

    def test_interrupt_ends_it(self):
        with subprocess.Popen([ARGUMENTS.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.send_signal(signal.SIGINT)
            self.assertEqual((b"", b""), process.communicate())
        self.assertEqual(-signal.SIGINT, process.returncode)

    def run_in_terminal(self, *options):
        """Returns what is written to the terminal that is the standard error."""
        terminal, user_side = pty.openpty()
        with subprocess.Popen([ARGUMENTS.program, "--format=u64", "-pLRU,RR", "-s1%,5%,20%",
                               "-t1", *options], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=user_side) as process:
            os.close(user_side)
            process.stdin.write(self.web12_as_u64() * 12)
            process.stdin.close()
            written = b""
            while True:
                try:
                    piece = os.read(terminal, 4096)
                except OSError:  # as Linux tells that the other side is closed
                    break
                if not piece:
                    break
                written += piece
        os.close(terminal)
        self.assertEqual(0, process.returncode)
        return written.decode()

    def test_progress_is_shown_in_a_terminal_and_taken_away(self):
        written = self.run_in_terminal()
        self.assertRegex(written, r"\rreplaying: \d+ %")
        self.assertRegex(written, r"\r +\r$")
        self.assertEqual("", self.run_in_terminal("--quiet"))


class TestAdvice(SimTest):
    def advice(self, *options, data):
        """Returns the last line of the output, which has one empty line before it."""
        table, sentence = self.output("--advise", *options, data=data).rstrip("\n").rsplit("\n\n", 1)
        self.assertEqual(self.output(*options, data=data).rstrip("\n"), table)
        self.assertNotIn("\n", sentence)
        return sentence

    def test_it_names_the_policy_the_size_and_what_they_spare(self):
        self.assertEqual(
            "Take ADAPTIVE with 688 entries (5%): 34.4 % of the requests miss, 40.0 % with LRU, and "
            "still 27.3 % with 1376 entries (10%).",
            self.advice("--format=u64", data=self.web12_as_u64()))

    def test_one_size_is_the_size(self):
        self.assertEqual("Take LRU with 2 entries: 83.3 % of the requests miss.",
                         self.advice("-s2", "-pLRU", data=SMALL))
        self.assertEqual("Take FIFO with 2 entries: 66.7 % of the requests miss, 83.3 % with LRU.",
                         self.advice("-s2", "-pLRU,FIFO", data=SMALL))
        self.assertEqual("Take FIFO with 1 entry: 100.0 % of the requests miss.",
                         self.advice("-s1", "-pFIFO", data=SMALL))

    def test_of_equals_the_first_is_taken(self):
        self.assertRegex(self.advice("-s3", "-pFIFO,LRU", data=SMALL), "^Take FIFO .* with LRU.$")
        self.assertRegex(self.advice("-s3", "-pLRU,FIFO", data=SMALL), "^Take LRU with 3 entries: 50.0")

    def test_it_stops_where_more_room_spares_nothing(self):
        loop = b"".join(b"%d\n" % (i % 40) for i in range(4000))
        self.assertEqual("Take LRU with 50 entries: 1.0 % of the requests miss, and still 1.0 % with "
                         "500 entries.", self.advice("-s10,50,500,5000", "-pLRU", data=loop))

    def test_bytes_are_judged_by_bytes(self):
        self.assertEqual("Take LRU with 1 byte: 100.0 % of the bytes miss.",
                         self.advice("-b", "-s1", "-pLRU", data=b"a 2\na 2\n"))

    def test_it_comes_with_a_table(self):
        for other in ("--csv", "--json"):
            self.assert_fails(REFUSED, "--advise: it comes with a table, not with --csv or --json",
                              "--advise", other)


class TestPlot(SimTest):
    def path_with(self, script):
        """Returns a PATH with a gnuplot that does what the script says, or with none."""
        folder = self.folder / "bin"
        folder.mkdir()
        if script is not None:
            program = folder / "gnuplot"
            program.write_text("#!/bin/sh\n" + script)
            program.chmod(0o755)
        return {"PATH": str(folder)}

    def test_without_gnuplot(self):
        picture = self.folder / "curve.svg"
        self.assert_fails(SYSTEM_FAILED, "--plot needs gnuplot, which is not installed", "--plot",
                          str(picture), env=self.path_with(None))
        self.assertFalse(picture.exists())

    def test_gnuplot_fails(self):
        picture = self.folder / "curve.svg"
        self.assert_fails(SYSTEM_FAILED, "gnuplot failed", "--plot", str(picture),
                          env=self.path_with("exit 3"))
        self.assertFalse(picture.exists())

    def test_picture_cannot_be_written(self):
        picture = self.folder / "no/such/folder/curve.svg"
        done = self.run_sim("--plot", str(picture), data=SMALL, env=self.path_with("exit 0"))
        self.assertEqual((SYSTEM_FAILED, f"cachetools-sim: {picture}: No such file or directory\n"),
                         (done.returncode, done.stderr.decode()))
        self.assertIn(b"Miss ratio", done.stdout)

    def test_gnuplot_is_told_the_curves_and_its_picture_is_kept(self):
        script, picture = self.folder / "script", self.folder / "curve.png"
        trace = self.write("it's\n$(x).txt", SMALL)
        self.output("-s1,2", "-pLRU,FIFO", "--plot", str(picture), str(trace), env=self.path_with(
            f"while read -r line; do echo \"$line\"; done >{script}; echo a picture\n"))
        self.assertEqual("a picture\n", picture.read_text())
        told = script.read_text()
        self.assertIn("'it''s $(x).txt: 6 requests for 3 keys; a dot: lowest at that size'\n", told)
        self.assertIn("$LRU << END\n1 1\n2 0.8333333333\nEND\n", told)
        self.assertIn("$FIFO << END\n1 1\n2 0.6666666667\nEND\n", told)

    def test_picture_shows_who_is_lowest(self):
        script = self.folder / "script"
        # FIFO is lowest where room is for two, and no worse elsewhere; MRU is lowest nowhere.
        self.output("-s1,2", "-pLRU,FIFO,MRU", "--plot", str(self.folder / "curve.svg"), data=SMALL * 3,
                    env=self.path_with(f"while read -r l; do echo \"$l\"; done >{script}\n"))
        told = script.read_text()
        rows = self.rows("-s1,2", "-pLRU,FIFO,MRU", data=SMALL * 3)
        least = {size: min(float(row["miss_ratio"]) for row in rows if row["size"] == size)
                 for size in "12"}
        for policy in ("LRU", "FIFO", "MRU"):
            lowest = [f"{row['size']} {float(row['miss_ratio']):.10g}"[:8] for row in rows
                      if row["policy"] == policy and float(row["miss_ratio"]) == least[row["size"]]]
            shown = re.search(rf"\${policy}_lowest << END\n((?:.+\n)*?)END\n", told)
            self.assertEqual(lowest, [] if shown is None else
                             [line[:8] for line in shown.group(1).splitlines()])
            self.assertRegex(told, rf"set label '{policy}( \(best\))?' at ")
        self.assertEqual(1, told.count("(best)"))
        self.assertEqual(1, told.count("lw 3.5"))

    def test_a_policy_has_one_colour_in_both_pictures(self):
        script = self.folder / "script"
        self.output("-b", "-s1,2,3,5", "-pLRU,FIFO,LFU,MRU", "--plot", str(self.folder / "curve.svg"),
                    data=b"a 1\nb 2\nc 3\na 1\nb 2\nd 1\na 1\n" * 3,
                    env=self.path_with(f"while read -r l; do echo \"$l\"; done >{script}\n"))
        for policy in ("LRU", "FIFO", "LFU", "MRU"):
            colours = re.findall(rf"\${policy} with lines lw [\d.]+ lc rgb '(#\w+)'",
                                 script.read_text())
            self.assertEqual(2, len(colours))
            self.assertEqual(colours[0], colours[1])

    def draw(self, name, *options, data=SMALL):
        picture = self.folder / name
        self.output("--plot", str(picture), *options, data=data)
        return picture.read_bytes()

    def test_svg(self):
        if not ARGUMENTS.gnuplot:
            return
        for options, expected in ((["-pLRU,ARC"], ["LRU (best)", "ARC", "0.1%", "50%", "Miss ratio"]),
                                  (["-pLRU", "-s1"], ["LRU", "Size of the cache, in entries"]),
                                  (["-pLRU", "-s1,2000000"], ["1", "2000000"]),
                                  (["-pLRU", "-s1k,2k,3k,4k,5k,6k,7k,8k,9k,10k,11k,12k,20k"],
                                   ["1k", "10k"]),
                                  (["-pLRU", "-s1%,2%,3%,4%,5%,6%,7%,8%,9%,10%,11%,12%,50%"],
                                   ["10%"]),
                                  (["-pLRU", "-b", "-s100%,5%"], ["Miss ratio", "Byte miss ratio",
                                                                  "100%"])):
            data = b"<a>'&\\\" 10\nb 20\n" if "-b" in options else SMALL
            document = xml.dom.minidom.parseString(self.draw("curve.svg", *options, data=data))
            texts = ["".join(node.data for node in text.childNodes if node.nodeType == node.TEXT_NODE)
                     .strip() for text in document.getElementsByTagName("text")]
            for text in expected:
                self.assertIn(text, texts)

    def test_png(self):
        if not ARGUMENTS.gnuplot:
            return
        picture = self.draw("curve.png")
        self.assertEqual(b"\x89PNG\r\n\x1a\n", picture[:8])
        self.assertEqual((860, 560), struct.unpack(">II", picture[16:24]))


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0

    def tell(self, result, test, details=""):
        self.count += 1
        print(result, self.count, "-", test.id().rpartition(".")[2])
        for line in details.splitlines():
            print("#", line)
        sys.stdout.flush()

    def addSuccess(self, test):
        self.tell("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("not ok", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("not ok", test, self.errors[-1][1])


def main():
    global ARGUMENTS
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    for name in ("--libarchive", "--gnuplot", "--limits"):
        parser.add_argument(name, action="store_true")
    ARGUMENTS = parser.parse_args()

    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    print(f"1..{suite.countTestCases()}")
    result = Tap()
    suite.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    raise SystemExit(main())
