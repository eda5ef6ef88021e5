"""A cohort on a Dask cluster: one task per shard, then their merge.

    python dask_cohort.py manifest.csv OUT --settings settings.toml --shards 8
    python dask_cohort.py ... --scheduler tcp://head:8786      # an existing cluster

OUT must be on a file system that all workers see. A worker that dies takes its shard's process with
it; Dask gives the shard to another worker, which goes on where it stopped.
"""

import argparse
import ctypes
import pathlib
import signal
import subprocess
import sys

from dask.distributed import Client, LocalCluster, as_completed


def end_with_worker():
    """Have Linux end the process when its Dask worker dies, so that nobody holds the shard."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def shard(command):
    """Run one shard; status 1 says that cases failed, which failures.csv names."""
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_worker)
    if run.returncode not in (0, 1):
        raise RuntimeError(f"status {run.returncode}: {run.stderr[-2000:]}")
    return run.returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--settings", required=True)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2, help="of a cluster on this machine")
    parser.add_argument("--scheduler", help="address of an existing cluster")
    parser.add_argument("--abscope", default="abscope")
    args = parser.parse_args()

    cluster = args.scheduler or LocalCluster(
        n_workers=args.workers, threads_per_worker=1, dashboard_address=None
    )
    folders = [str(args.out / f"shard-{i}") for i in range(1, args.shards + 1)]
    args.out.mkdir(parents=True, exist_ok=True)
    with Client(cluster) as client:
        tasks = []
        for i, folder in enumerate(folders, start=1):
            command = [
                args.abscope, "batch", args.manifest, "-o", folder, "--settings", args.settings,
                "--shard", f"{i}/{args.shards}", "--threads", "1", "--log-format", "json",
            ]
            tasks.append(client.submit(shard, command, pure=False, retries=3))
        for task in as_completed(tasks):
            task.result()

    merged = subprocess.run([args.abscope, "merge", *folders, "-o", str(args.out / "merged")])
    sys.exit(merged.returncode)


if __name__ == "__main__":
    main()
