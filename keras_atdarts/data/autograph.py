"""Functions that `tf.data` takes as they are written.

AutoGraph would translate the source of each, and of all that it calls, whenever a
pipeline is made. That took most of the time in which one is made, and left a file
behind for every function. Control flow that depends on tensors is written out here.
"""

import tensorflow as tf

as_written = tf.autograph.experimental.do_not_convert
