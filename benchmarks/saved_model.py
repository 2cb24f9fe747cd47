"""How fast an exported network classifies, loaded with TensorFlow alone.

    python benchmarks/ours.py export --output /tmp/darts_v2
    python benchmarks/saved_model.py /tmp/darts_v2 --batch-size 1

TensorFlow runs in its own settings, as in train/predict.py. Prints one line of
JSON, as ours.py does.
"""

import json
import pathlib

import devices
import flags
import measuring
import tensorflow as tf

SIGNATURE = "serving_default"


def main(argv=None):
    parser = flags.make_parser(__doc__)
    parser.add_argument("saved_model", metavar="SAVED_MODEL", help="its folder")
    flags.add_number(parser, "--batch-size", 64, "images of a batch")
    flags.add_number(parser, "--image-size", 32, "their side in pixels")
    flags.add_number(parser, "--steps", 50, "batches that count, after a first one")
    flags.add_device_flag(parser)
    arguments = parser.parse_args(argv)
    if not (pathlib.Path(arguments.saved_model) / "saved_model.pb").is_file():
        parser.error(
            f"'{arguments.saved_model}' is no SavedModel. Write one with "
            "benchmarks/ours.py export or train/export.py."
        )
    devices.use_device(arguments.device)
    classify = tf.saved_model.load(arguments.saved_model).signatures[SIGNATURE]
    size = arguments.image_size
    shape = (arguments.batch_size, size, size, 3)
    images = tf.cast(tf.random.uniform(shape, maxval=256, dtype=tf.int32), tf.uint8)

    def step():
        return classify(images=images)["probabilities"].numpy()

    step()
    startup = measuring.seconds_since_start()
    seconds = measuring.time_calls(step, arguments.steps)
    report = measuring.summary(startup, seconds, arguments.batch_size)
    print(json.dumps({**report, **devices.report_software()}))


if __name__ == "__main__":
    main()
