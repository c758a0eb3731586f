"""Measures faiss on one thread as benches/index/measure.rs measures the others, and prints the same columns."""

import sys
import time

import faiss
import numpy

DIMENSIONS = 384
NEIGHBOURS = 16
CANDIDATES = 128
EFFORTS = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
MOST = 4


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def timed(calls):
    times = []
    for call in calls:
        before = time.perf_counter()
        call()
        times.append((time.perf_counter() - before) * 1e6)
    return numpy.sort(times)


def at(times, part):
    return times[int((len(times) - 1) * part)]


def measure(name, index, efforts, kept, looked_up, near, nearest):
    before = memory()
    inserts = timed(lambda n=n: index.add(kept[n : n + 1]) for n in range(len(kept)))
    size = (memory() - before) / len(kept)
    for effort in efforts:
        if effort:
            index.hnsw.efSearch = effort
        found = [index.search(looked_up[n : n + 1], MOST)[1][0] for n in range(len(looked_up))]
        # Others may be as near. What was not found at all is -1.
        cosines = numpy.array([numpy.where(found >= 0, kept[found] @ looked_up[n], -2) for n, found in enumerate(found)])
        is_nearest = cosines > nearest[:, :1] - 1e-5
        in_four = is_nearest.any(axis=1)
        first, near_found, any_found = (100 * found.mean() for found in (is_nearest[:, 0], in_four[:near], in_four[near:]))
        four = 100 * (cosines > nearest[:, -1:] - 1e-5).mean()
        if min(near_found, any_found) >= 99:
            break
    searches = timed(lambda n=n: index.search(looked_up[n : n + 1], MOST) for _ in range(3) for n in range(len(looked_up)))
    print(
        f"{name:20} {effort:6}  {first:6.2f} {near_found:6.2f} {any_found:6.2f}    {four:6.2f}"
        f"  {at(searches, 0.5):6.0f} {at(searches, 0.99):6.0f}  {'-':>6} {'-':>6}"
        f"  {inserts.mean():7.1f} {at(inserts, 0.99):7.1f} {at(inserts, 1):7.0f} {'-':>7} {size:7.0f}",
        flush=True,
    )


def main(count, *files):
    faiss.omp_set_num_threads(1)
    kept, near, any = (numpy.fromfile(file, dtype="<f4").reshape(-1, DIMENSIONS) for file in files[:3])
    nearest = numpy.fromfile(files[3], dtype="<f4").reshape(-1, MOST)
    rest = kept[: int(count)], numpy.concatenate([near, any]), len(near), nearest
    graph = faiss.IndexHNSWFlat(DIMENSIONS, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = CANDIDATES
    measure(f"faiss {faiss.__version__}, HNSW", graph, EFFORTS, *rest)
    measure("faiss, flat", faiss.IndexFlatIP(DIMENSIONS), [0], *rest)


main(*sys.argv[1:])
