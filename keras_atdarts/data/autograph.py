"""Functions that `tf.data` takes as they are written.

AutoGraph would translate the source of each, and of all that it calls, which takes
time whenever a pipeline is made and leaves temporary files. There is nothing for it
to do: control flow that depends on tensors is written out here.
"""

import tensorflow as tf

as_written = tf.autograph.experimental.do_not_convert
