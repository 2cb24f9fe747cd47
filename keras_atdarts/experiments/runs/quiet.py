"""TensorFlow without its own first lines. To be imported before TensorFlow.

Where there is no GPU of NVIDIA, TensorFlow reports as an error that it finds none;
where there is one, its warnings say why it cannot be used, and are kept. Whoever sets
`TF_CPP_MIN_LOG_LEVEL` (0 shows everything, 3 nothing) decides.
"""

import os

os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "1" if os.path.exists("/proc/driver/nvidia") else "3"
)
