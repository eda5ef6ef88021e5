#!/usr/bin/env python3
"""abscope beside its peers: one run, the same images, the same settings, one thread.

usage: compare.py WORKLOADS ENVIRONMENTS [--workloads A B C] [--peers pictologics pyradiomics]

WORKLOADS is the folder that `cargo run --release --example make_workloads` filled. ENVIRONMENTS is a
folder for one virtual environment per peer; they are made where they are missing (pictologics needs
Python 3.12 or newer, pyradiomics 3.1 has no wheel for Python 3.11 but its re-release
`pyradiomics-bhklab` has). Cold is the whole process from start to the written table; warm the best
of the extractions after the first, in one process.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parent.parent / "target/release"
PEERS = {"pictologics": ["pictologics==0.9.0"], "pyradiomics": ["pyradiomics-bhklab==3.1.4"]}
LESIONS = {"A": 10, "B": 1, "C": 1}

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("environments", type=pathlib.Path)
arguments.add_argument("--workloads", nargs="+", default=list(LESIONS))
arguments.add_argument("--peers", nargs="*", default=list(PEERS))
arguments.add_argument("--python", default=sys.executable, help="the Python for new environments")
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--repetitions", type=int, default=5)
arguments = arguments.parse_args()


def run(command):
    """Seconds, peak resident MB and standard output of a command, the first thing it prints last."""
    start = time.perf_counter()
    done = subprocess.run(["/usr/bin/env", "time", "-v", *map(str, command)], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    peak = re.search(r"Maximum resident set size \(kbytes\): (\d+)", done.stderr)
    return seconds, int(peak.group(1)) / 1024 if peak else None, done.stdout


def environment(peer):
    folder = arguments.environments / peer
    if not folder.exists():
        subprocess.run([arguments.python, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "-q", *PEERS[peer]], check=True)
    return folder / "bin/python"


def settings(workload):
    return HERE / ("filters.toml" if workload == "C" else "matched.toml")


def abscope(workload, ending):
    image, mask = (arguments.folder / f"{workload}_{part}.{ending}" for part in ["image", "mask"])
    with tempfile.TemporaryDirectory() as folder:
        command = [TARGET / "abscope", "extract", image, mask, "--settings", settings(workload)]
        command += ["--threads", arguments.threads, "-o", f"{folder}/features.csv"]
        colds = [run(command) for _ in range(arguments.repetitions)]
    command = [TARGET / "examples/time_case", image, mask, settings(workload), arguments.threads]
    _, _, printed = run([*command, 4 * arguments.repetitions])
    cold = min(seconds for seconds, _, _ in colds)
    return {**json.loads(printed), "cold": cold, "peak_mb": max(peak for _, peak, _ in colds)}


def peer(name, workload, *options):
    image, mask = (arguments.folder / f"{workload}_{part}.nii.gz" for part in ["image", "mask"])
    command = [environment(name), HERE / "worker.py", name, image, mask, LESIONS[workload]]
    options = [*options, "--threads", arguments.threads] + (["--filters"] if workload == "C" else [])
    cold, peak, _ = run([*command, 1, *options])
    slow = name == "pyradiomics" and workload == "A" and "--crop" not in options
    _, _, printed = run([*command, 2 if slow else arguments.repetitions, *options])
    return {**json.loads(printed), "cold": cold, "peak_mb": peak}


subprocess.run(
    ["cargo", "build", "--release", "--quiet", "--bin", "abscope", "--example", "time_case"], check=True, cwd=HERE
)
print(f"threads: {arguments.threads}\n")
print("| work | engine | warm s | cold s | load s | peak MB | warm / abscope | cold / abscope |")
print("|---|---|---|---|---|---|---|---|")
for workload in arguments.workloads:
    own = abscope(workload, "nii.gz")
    rows = [("abscope", own), ("abscope, uncompressed", abscope(workload, "nii"))]
    for name in arguments.peers:
        rows.append((name, peer(name, workload)))
        if name == "pyradiomics" and workload == "A":
            rows.append(("pyradiomics, cropped first", peer(name, workload, "--crop")))
    for name, figures in rows:
        warm, cold = figures["warm"], figures["cold"]
        print(
            f"| {workload} | {name} | {warm:.3f} | {cold:.3f} | {figures['load']:.3f} | {figures['peak_mb']:.0f} "
            f"| {warm / own['warm']:.1f} | {cold / own['cold']:.1f} |",
            flush=True,
        )
