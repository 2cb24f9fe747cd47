"""What a run has written down, cut back to where its training goes on."""

import tensorflow as tf

from keras_atdarts.experiments.runs import atomic
from keras_atdarts.experiments.runs import workdir
from keras_atdarts.experiments.runs.workdir import remove
from keras_atdarts.genotypes.genotype import Genotype


def drop_epochs_from(run, epoch):
    """Removes what a run has recorded of an epoch and of later ones.

    Training writes it again. What a killed process left half written goes too.

    Args:
        run: A `RunDirectory`.
        epoch: Integer, the number of finished epochs that are kept.
    """
    for partial in run.path.rglob(f"{atomic.PARTIAL}*"):
        remove(partial)
    if drop_rows(run.file(workdir.HISTORY), epoch):
        # Written after the row: it may be of an epoch that is trained again.
        remove(run.file(workdir.NETWORK))
    drop_rows(run.file(workdir.RESOURCES), epoch)
    drop_alphas(run, epoch)
    for path in run.file(workdir.TENSORBOARD).rglob("events.out.tfevents.*"):
        drop_events(path, epoch)


def drop_rows(path, epoch):
    """Removes the rows of a CSV file from `epoch` on; returns their number."""
    if not path.exists():
        return 0
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if int(row.split(",")[0]) < epoch]
    atomic.write_text(path, "\n".join([header, *kept]) + "\n")
    return len(rows) - len(kept)


def drop_alphas(run, epoch):
    """Removes the alphas from `epoch` on; the last ones left give the genotype."""
    if not run.file(workdir.ALPHAS).exists():
        return
    entries = run.read_json(workdir.ALPHAS)
    kept = [entry for entry in entries if entry["epoch"] < epoch]
    run.write_json(workdir.ALPHAS, kept)
    if kept:
        genotype = Genotype.from_dict(kept[-1]["genotype"])
        genotype.save(run.file(workdir.GENOTYPE))
    else:
        remove(run.file(workdir.GENOTYPE))


def drop_events(path, epoch):
    """Removes the values from `epoch` on out of a file of TensorBoard's."""
    kept = [
        event.SerializeToString()
        for event in read_events(path)
        if not event.HasField("summary") or event.step < epoch
    ]
    with atomic.replacing(path) as partial:
        with tf.io.TFRecordWriter(str(partial)) as writer:
            for event in kept:
                writer.write(event)


def read_events(path):
    """Yields the events of a file, up to where the writing process was killed."""
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield tf.compat.v1.Event.FromString(record)
    except tf.errors.DataLossError:
        return
