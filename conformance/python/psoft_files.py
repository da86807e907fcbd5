"""PSOFT's files with their singular vectors. PEFT 0.21.2 computes these vectors again when it loads an adapter, but their
signs depend on the library that computes them, and R belongs to the vectors with which it was trained. Import this
module before adapters are created or loaded."""

import peft.tuners.psoft.layer as psoft
from peft.tuners._buffer_dict import BufferDict

psoft.BufferDict = lambda persistent: BufferDict(persistent=True)
