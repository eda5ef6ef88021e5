"""One peer on one workload in this process: prints its times as JSON.

usage: worker.py PEER IMAGE MASK LABELS REPETITIONS [--filters] [--crop]
The time from the start of the process is measured by compare.py.
"""

import argparse
import json
import os
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("peer", choices=["pictologics", "pyradiomics"])
arguments.add_argument("image")
arguments.add_argument("mask")
arguments.add_argument("labels", type=int)
arguments.add_argument("repetitions", type=int)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--filters", action="store_true")
arguments.add_argument("--crop", action="store_true", help="crop to each lesion's box and 10 voxels first")
arguments = arguments.parse_args()
for name in ["PICTOLOGICS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"]:
    os.environ.setdefault(name, str(arguments.threads))

SIGMAS = [1.0, 2.0, 3.0, 4.0, 5.0]


def pictologics():
    import pictologics as pl

    def steps(filtering=None):
        chain = [{"step": "resample", "params": {"new_spacing": [1, 1, 1], "interpolation": "linear"}}]
        if filtering:
            chain.append({"step": "filter", "params": filtering})
        lowest = 0.0 if filtering else -1000.0
        families = {
            "families": ["intensity", "morphology", "texture"],
            "include_spatial_intensity": False,
            "include_local_intensity": False,
        }
        chain.append({"step": "discretise", "params": {"method": "FBS", "bin_width": 25.0, "min_val": lowest}})
        chain.append({"step": "extract_features", "params": families})
        return chain

    start = time.perf_counter()
    image = pl.load_image(arguments.image, stored_type=True)
    mask = pl.load_image(arguments.mask, stored_type=True)
    loading = time.perf_counter() - start

    def extract():
        pipeline = pl.RadiomicsPipeline()
        pipeline.add_config("original", steps())
        names = ["original"]
        if arguments.filters:
            filters = [(f"log{s:g}", {"type": "log", "sigma_mm": s}) for s in SIGMAS]
            for band in ["LLL", "LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH"]:
                wavelet = {"type": "wavelet", "wavelet": "coif1", "level": 1, "decomposition": band}
                filters.append((f"coif1{band}", wavelet))
            for name, parameters in filters:
                pipeline.add_config(name, steps(parameters))
                names.append(name)
        if arguments.labels > 1:
            return pipeline.run_rois(image, mask, config_names=names)
        return pipeline.run(image, mask, config_names=names)

    return loading, extract


def pyradiomics():
    import logging

    import SimpleITK as sitk
    from radiomics import featureextractor

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(arguments.threads)
    start = time.perf_counter()
    image, mask = sitk.ReadImage(arguments.image), sitk.ReadImage(arguments.mask)
    loading = time.perf_counter() - start
    extractor = featureextractor.RadiomicsFeatureExtractor(
        binWidth=25.0, resampledPixelSpacing=[1, 1, 1], interpolator="sitkLinear", label=1
    )
    if arguments.filters:
        extractor.enableImageTypes(Original={}, LoG={"sigma": SIGMAS}, Wavelet={"wavelet": "coif1", "level": 1})

    def cropped(label):
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(mask == label)
        box = shape.GetBoundingBox(1)
        low = [max(0, box[i] - 10) for i in range(3)]
        size = [min(mask.GetSize()[i], box[i] + box[i + 3] + 10) - low[i] for i in range(3)]
        return sitk.RegionOfInterest(image, size, low), sitk.RegionOfInterest(mask, size, low)

    def extract():
        for label in range(1, arguments.labels + 1):
            pair = cropped(label) if arguments.crop else (image, mask)
            extractor.execute(*pair, label=label)

    return loading, extract


loading, extract = {"pictologics": pictologics, "pyradiomics": pyradiomics}[arguments.peer]()
times = []
for _ in range(max(1, arguments.repetitions)):
    start = time.perf_counter()
    extract()
    times.append(time.perf_counter() - start)
print(json.dumps({"load": loading, "first": times[0], "warm": min(times[1:]) if len(times) > 1 else None}))
