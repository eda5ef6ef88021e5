#!/usr/bin/env bash
# Fills fuzz/corpus from the fixtures. Segmentations come uncompressed there; the codecs are reached
# by giving one of them the compressed frames of the CT, which has the same rows and columns.
set -euo pipefail
cd "$(dirname "$0")/.."

corpus=fuzz/corpus
mkdir -p $corpus/{ct,jpeg_ls,model,nifti,rtstruct,seg}

# Small grids only: what takes a millisecond to read is tried a thousand times a second.
for file in image mask; do
    cp "fixtures/ibsi/ibsi_1_digital_phantom/$file.nii.gz" "$corpus/nifti/$file.gz"
    # Voxels behind deflate are hard to change one by one.
    gzip -dc "fixtures/ibsi/ibsi_1_digital_phantom/$file.nii.gz" >"$corpus/nifti/$file"
done

for file in fixtures/dicom/ct/*/0; do
    cp "$file" "$corpus/ct/$(basename "$(dirname "$file")")"
done
cp fixtures/jpeg_ls/*.jls $corpus/jpeg_ls/
cp fixtures/dicom/rtstruct/set $corpus/rtstruct/
cp fixtures/dicom/seg/{binary,binary-shuffled,fractional,labelmap,labelmap-part,oblique} $corpus/seg/
# The draws of the coefficients are most of a signature and all pass the same check: two will do.
for file in models/*.toml; do
    sed 's/^\(draws = \[\[[^]]*\], \[[^]]*\]\).*/\1]/' "$file" \
        >"$corpus/model/$(basename "$file" .toml)"
done

python3 - <<'PYTHON'
from pathlib import Path

SEG = Path("fixtures/dicom/seg/labelmap").read_bytes()
PIXELS = b"\xe0\x7f\x10\x00"


def element(tag, vr, value):
    return tag + vr + len(value).to_bytes(2, "little") + value


def replaced(data, tag, vr, value):
    start = data.index(tag + vr)
    length = int.from_bytes(data[start + 6:start + 8], "little")
    return data[:start] + element(tag, vr, value) + data[start + 8 + length:]


def syntax(data):
    start = data.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(data[start + 6:start + 8], "little")
    return data[start + 8:start + 8 + length]


for name in ["rle", "j2k", "jpegls", "jpeg-sv1", "jpeg-lossless"]:
    slices = [Path(f"fixtures/dicom/ct/{name}-unsigned/{z}").read_bytes() for z in (0, 1)]
    header = replaced(SEG[:SEG.rindex(PIXELS)], b"\x02\x00\x10\x00", b"UI", syntax(slices[0]))
    for tag, bits in [(b"\x00\x01", 16), (b"\x01\x01", 12), (b"\x02\x01", 11)]:
        header = replaced(header, b"\x28\x00" + tag, b"US", bits.to_bytes(2, "little"))
    start = header.index(b"\x28\x00\x08\x00IS") + 8
    frames = int(header[start:start + 2])
    # Behind the element's head and an offset table of one frame; before the sequence's end.
    fragments = [s[s.rindex(PIXELS) + 24:-8] for s in slices]
    pixels = PIXELS + b"OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0"
    pixels += b"".join(fragments[z % 2] for z in range(frames))
    Path(f"fuzz/corpus/seg/{name}").write_bytes(header + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0")
PYTHON
