#!/usr/bin/env python3
"""Does another build of abscope give the tables of the build for this machine?

usage: same_tables.py FOLDER NATIVE OTHER...

NATIVE is the program of this machine, OTHER the command that starts the other one. Both do the same
work, from the repository's root, into FOLDER; the other one also runs the selftest. Tables and messages
must be the same byte for byte, but for the columns of last_bits.txt, which must agree to 1e-12 of their
value. Exit status 1 if anything differs.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-12
PHANTOM = "fixtures/ibsi/ct_radiomics_phantom"
MODEL = "models/demo-simulated-infiltration.toml"
# The name of the output, the arguments before it, the exit status.
WORK = [
    ("parts.csv", ["extract", f"{PHANTOM}/image.nii.gz", "fixtures/ct_phantom_parts.nii.gz"], 0),
    ("dicom.csv", ["extract", f"{PHANTOM}/dicom", f"{PHANTOM}/dicom/DCM_RS_00060.dcm"], 0),
    ("phantom", ["batch", PHANTOM, "--model", MODEL], 0),
    # Some of these cases fail, which is told in messages with paths.
    ("cases", ["batch", "fixtures/dicom"], 1),
    ("report", ["report", f"{PHANTOM}/image.nii.gz", "fixtures/ct_phantom_parts.nii.gz", "--kvp",
                "120", "--model", MODEL], 0),
]


def run(command, arguments, wanted, environment):
    done = subprocess.run([*command, *arguments], cwd=HERE.parent, env=environment,
                          capture_output=True, check=False)
    messages = (done.stdout + done.stderr).decode().replace("\r\n", "\n")
    if done.returncode != wanted:
        sys.exit(f"{' '.join(arguments)}: exit status {done.returncode}\n{messages}")
    return messages


def work(folder, name, command, environment):
    """Does all the work with one program; everything is called the same while it is written."""
    output, kept = folder / "out", folder / name
    for old in (output, kept):
        shutil.rmtree(old, ignore_errors=True)
    output.mkdir(parents=True)
    messages = {}
    for target, arguments, wanted in WORK:
        messages[target] = run(command, [*arguments, "-o", f"{output}/{target}"], wanted, environment)
    output.rename(kept)
    return messages


def differences(native, other, listed):
    """What differs between two tables: problems, and the largest relative difference by column."""
    ours, theirs = (list(csv.reader(path.open(newline=""))) for path in (native, other))
    if ours[:1] != theirs[:1]:
        return ["other columns"], {}
    if len(ours) != len(theirs):
        return [f"{len(theirs)} rows instead of {len(ours)}"], {}
    problems, largest = [], {}
    for row, (a_row, b_row) in enumerate(zip(ours[1:], theirs[1:]), 1):
        for column, a, b in zip(ours[0], a_row, b_row):
            if a == b:
                continue
            try:
                apart = abs(float(a) - float(b)) / max(abs(float(a)), abs(float(b)))
            except (ValueError, ZeroDivisionError):
                apart = float("inf")
            largest[column] = max(apart, largest.get(column, 0.0))
            of_list = any(column == name or column.endswith(f"_{name}") for name in listed)
            if not of_list or not apart <= TOLERANCE:
                problems.append(f"row {row}, {column}: {b} instead of {a}")
    return problems, largest


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder, native, other = Path(sys.argv[1]).resolve(), [sys.argv[2]], sys.argv[3:]
    environment = os.environ | {"XDG_CONFIG_HOME": f"{folder}/config"}
    lines = (HERE / "last_bits.txt").read_text().splitlines()
    listed = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    print(run(other, ["selftest", "--data", "fixtures/ibsi"], 0, environment).splitlines()[-1])
    ours = work(folder, "native", native, environment)
    theirs = work(folder, "other", other, environment)

    failed = False
    for name, messages in ours.items():
        if theirs[name] != messages:
            failed = True
            print(f"{name}: other messages\n--- native\n{messages}--- other\n{theirs[name]}")
    tables = sorted(path.relative_to(folder / "native") for path in (folder / "native").rglob("*.csv"))
    for table in tables:
        problems, largest = differences(folder / "native" / table, folder / "other" / table, listed)
        failed |= bool(problems)
        header = next(csv.reader((folder / "native" / table).open(newline="")))
        print(f"{table}: {len(header) - len(largest)} of {len(header)} columns are the same")
        for column, apart in sorted(largest.items()):
            print(f"    {column}: differs by {apart:.1e}")
        for problem in problems[:20]:
            print(f"    {problem}")
    pages = [sorted(path.relative_to(folder / side) for path in (folder / side).rglob("*.html")
                    if "cases/" not in path.as_posix().removesuffix(path.name))
             for side in ("native", "other")]
    if pages[0] != pages[1]:
        failed = True
        print(f"other pages: {pages[1]} instead of {pages[0]}")
    print("differs" if failed else "the same")
    sys.exit(failed)


if __name__ == "__main__":
    main()
