"""ggml's reference quantiser, compiled from the sources in llama-cpp-python's package, since gguf-py has none for K-blocks."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"
# Quantisers that gguf-py lacks.
TYPES = ("Q4_K", "Q5_K", "Q6_K")


def compile_into(program):
    """Downloads the sources with pip and compiles the quantiser. Without fused multiply-add: ggml's own build for x64 rounds each step too."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE]
        subprocess.run([*pip, f"{PACKAGE}=={VERSION}", "-d", folder], check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            # Python 3.11 before 3.11.4 has no filters.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            wanted = [m for m in tar if "/ggml/" in m.name and m.name.endswith((".h", "/ggml-quants.c"))]
            tar.extractall(folder, wanted)
        (source,) = Path(folder).glob("*/vendor/llama.cpp/ggml/src/ggml-quants.c")
        include = ["-I", source.parent, "-I", source.parent / "ggml-cpu", "-I", source.parent.parent / "include"]
        sections = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
        flags = ["-O2", "-ffp-contract=off", "-DNDEBUG", "-w", *sections, *include]
        own = Path(__file__).parent / "ggml_quantize.c"
        subprocess.run(["gcc", *flags, own, source, "-lm", "-o", program], check=True)


def reference():
    """The compiled program beside this Python's packages; None where there is no gcc."""
    program = Path(sys.prefix) / f"ggml-quantize-{VERSION}"
    if not program.exists():
        if shutil.which("gcc") is None:
            return None
        compile_into(program)
    return program


def quantize(values, name):
    """The blocks of float32 numbers."""
    run = subprocess.run([reference(), name], input=np.ascontiguousarray(values, np.float32).tobytes(), capture_output=True, check=True)
    return np.frombuffer(run.stdout, np.uint8)


def has_ggml():
    """True where K-blocks can be compared: on machines with gcc."""
    return reference() is not None
