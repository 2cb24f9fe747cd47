"""What a user can get wrong: one line, exit code 2, and nothing written."""

import json
import os
import re

import pytest
import report_runs
import sample_data
import scripts

from keras_atdarts.errors import InputError
from keras_atdarts.genotypes.genotype import Genotype
from keras_atdarts.genotypes.text_forms import darts_text

SEARCH = ("search.py", "--workdir", "{run}")
RANDOM = (*SEARCH, "--strategy", "random")
CHOOSE = ("choose.py", "--workdir", "{run}")
RETRAIN = ("retrain.py", "--workdir", "{run}", "--genotype")
INT8 = ("--precision", "int8")
ON_IMAGES = ("--dataset", "{images}", *scripts.SMALL)


def changed_genotype(change):
    """Returns the JSON text of a published genotype with a mistake in it."""
    genotype = Genotype.load("DARTS_V2").to_dict()
    change(genotype["normal"])
    return json.dumps(genotype)


DARTS = darts_text(Genotype.load("DARTS_V2"))


def drop_last_node(cell):
    cell["nodes"].pop()
    cell["concat"].pop()


GENOTYPES = {
    "malformed": '{"normal": ',
    "no_cells": "[]",
    "printed": DARTS.replace("dil_conv_3x3", "dil_conv_3x4"),
    "unknown": changed_genotype(
        lambda cell: cell["nodes"][1][0].update(operation="sep_conv_3x4")
    ),
    "forward": changed_genotype(lambda cell: cell["nodes"][0][1].update(source=2)),
    "nodes": changed_genotype(drop_last_node),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Returns the paths that the command lines below name in braces."""
    root = tmp_path_factory.mktemp("bad")
    for name in ("images", "childless", "broken"):
        sample_data.write_image_folder(root / name, shape=(9, 8, 1))
    (root / "childless" / "d").mkdir()
    (root / "broken" / "b" / "003.png").write_bytes(b"not an image")
    sample_data.write_image_folder(root / "flat", shape=(3, 20, 1))
    for name in ("empty", "full", "junk_model"):
        (root / name).mkdir()
    (root / "full" / "thesis.txt").write_text("mine")
    (root / "junk_model" / "saved_model.pb").write_bytes(b"junk")
    (root / "file").write_text("")
    for name, text in GENOTYPES.items():
        (root / name).write_text(text)
    for name, finished in (("search", True), ("unfinished", False)):
        genotypes = [Genotype.load("DARTS_V1")]
        report_runs.write_search(root / name, genotypes, finished)
    names = [path.name for path in root.iterdir()]
    return {name: root / name for name in (*names, "run", "absent")}


BAD = {
    "data set": (
        [*SEARCH, "--dataset", "fashion_mnst"],
        ["data set 'fashion_mnst'", "Did you mean 'fashion_mnist'"],
    ),
    "cutout of a search": (
        [*SEARCH, *ON_IMAGES, "--cutout", "9"],
        ["cutout of 9 pixels is larger than the images of 9 x 8"],
    ),
    "cutout of a retraining": (
        [*RETRAIN, "DARTS_V2", *ON_IMAGES, "--cutout", "9"],
        ["cutout of 9 pixels", "set it to 8 or less"],
    ),
    "preset": ([*SEARCH, "--preset", "qick"], ["preset 'qick'", "'quick'"]),
    "preset of retraining": (
        [*RETRAIN, "DARTS_V2", "--preset", "papr"],
        ["preset 'papr'", "'paper'"],
    ),
    "operation, before the data": (
        [*SEARCH, "--dataset", "cifar10", "--operations", "none", "skip_conect"],
        ["'skip_conect'", "Did you mean 'skip_connect'"],
    ),
    "set among operations": (
        [*SEARCH, "--operations", "darts", "channel_attention"],
        ["'darts'", "stands alone"],
    ),
    "attention after nothing": (
        [*SEARCH, "--operations", "none", "channel_attention"]
        + ["--attention-placement", "after_operations"],
        ["operation other than 'none' to follow"],
    ),
    "no attention after operations": (
        [*SEARCH, "--operations", "darts", "--attention-placement", "after_operations"],
        ["No attention could follow", "channel_attention"],
    ),
    "attention placement": (
        [*SEARCH, "--attention-placement", "after"],
        ["attention_placement", "among_operations, after_operations", "'after'"],
    ),
    "only none": ([*SEARCH, "--operations", "none"], ["other than 'none'"]),
    "operation twice": (
        [*SEARCH, "--operations", "none", "skip_connect", "none"],
        ["must not name one twice"],
    ),
    "unequal parts of the channels": (
        [*SEARCH, "--filters", "6", "--partial-channels", "4"],
        ["`partial_channels` must divide `filters` (6)", "Received: 4"],
    ),
    "strength of no target": (
        [*SEARCH, "--target-strength", "2"],
        ["target_strength only counts with a target; received 2.0", "--target-param"],
    ),
    "strength of nothing": (
        [*SEARCH, "--target-parameters", "3e6", "--target-strength", "0"],
        ["target_strength must be one number above 0, or", "received 0.0"],
    ),
    "three strengths": (
        [*SEARCH, "--target-parameters", "3e6", "--target-strength", "0", "1", "2"],
        ["those of the first and of the last epoch", "received 0.0 1.0 2.0"],
    ),
    "target of nothing": (
        [*SEARCH, "--target-multiply-adds", "0"],
        ["target_multiply_adds must be a number above 0, or none; received 0.0"],
    ),
    "target below the smallest network": (
        [*SEARCH, *ON_IMAGES, "--target-multiply-adds", "10"],
        ["target of 10 multiply_adds is below the smallest network", "which has "],
    ),
    "target of a search by chance": (
        [*RANDOM, "--target-multiply-adds", "1e9"],
        ["--target-multiply-adds only counts with --strategy gradient"],
    ),
    "preset of the retraining of a search": (
        [*SEARCH, "--retrain-preset", "darst"],
        ["retrain_preset must be one of quick, cpu, darts", "'darst'"],
    ),
    "endless warm-up": (
        [*SEARCH, "--warm-up-epochs", "3"],
        ["fewer than the epochs (3)", "received 3"],
    ),
    "order": ([*SEARCH, "--order", "3"], ["order must be", "at most 2", "received 3"]),
    "hessian": (
        [*SEARCH, "--order", "2", "--hessian", "approximate"],
        ["hessian must be one of finite_difference, exact", "'approximate'"],
    ),
    "hessian of the first order": (
        [*SEARCH, "--hessian", "exact"],
        ["--hessian only counts with --order 2", "preset quick has --order 1"],
    ),
    "betas of SGD": (
        [*SEARCH, "--alpha-betas", "0.5", "0.9", "--alpha-optimizer", "sgd"],
        ["only counts with --alpha-optimizer adam", "received --alpha-optimizer sgd"],
    ),
    "one beta": (
        [*SEARCH, "--alpha-betas", "0.5"],
        ["alpha_betas must be 2 values", "below 1", "received (0.5,)"],
    ),
    "momentum of Adam, which the preset has": (
        [*SEARCH, "--preset", "darts", "--alpha-momentum", "0.5"],
        ["--alpha-momentum only counts", "the preset darts has --alpha-optimizer adam"],
    ),
    "climbing rate of alphas": (
        [*SEARCH, "--alpha-learning-rate-min", "0.5"],
        ["alpha_learning_rate_min must not exceed alpha_learning_rate (0.006)"],
    ),
    "weight of no auxiliary head": (
        [*RETRAIN, "DARTS_V2", "--preset", "darts", "--no-auxiliary"]
        + ["--auxiliary-weight", "0.3"],
        ["--auxiliary-weight only counts with --auxiliary;", "--no-auxiliary"],
    ),
    "strategy": ([*SEARCH, "--strategy", "randm"], ["one of gradient, random"]),
    "samples of a gradient search": (
        [*SEARCH, "--samples", "3"],
        ["--samples only counts with --strategy random"],
    ),
    "training of a random search": (
        [*RANDOM, "--deterministic"],
        ["--deterministic only counts with --strategy gradient"],
    ),
    "alphas of a random search": (
        [*RANDOM, "--alpha-optimizer", "adam", "--alpha-betas", "0.5", "0.9"],
        ["only counts with --strategy gradient", "received --strategy random"],
    ),
    "no samples": ([*RANDOM, "--samples", "0"], ["samples must be", "at least 1"]),
    "more samples than there are": (
        [*RANDOM, "--operations", "none", "skip_connect", "--samples", "32401"],
        ["32,400 different genotypes", "received 32,401", "--samples"],
    ),
    "missing folder": ([*SEARCH, "--dataset", "{absent}"], ["{absent}", "exist"]),
    "empty folder": ([*SEARCH, "--dataset", "{empty}"], ["{empty}", "0 class folders"]),
    "class without images": (
        [*SEARCH, "--dataset", "{childless}"],
        ["{childless}/d", "no images"],
    ),
    "broken image": (
        [*SEARCH, "--dataset", "{broken}"],
        ["Broken image {broken}/b/003.png"],
    ),
    "batch": (
        [*SEARCH, "--dataset", "{images}", "--batch-size", "14"],
        ["batch size 14", "13 images"],
    ),
    "batch of retraining": (
        [*RETRAIN, "DARTS_V2", "--dataset", "{images}", "--batch-size", "28"],
        ["batch size 28", "27 images"],
    ),
    "small images": (
        [*SEARCH, "--dataset", "{flat}", *scripts.SMALL],
        ["3x20", "at least 4 pixels", "--image-size"],
    ),
    "small images of retraining": (
        [*RETRAIN, "DARTS_V2", "--dataset", "{flat}", *scripts.SMALL],
        ["3x20", "at least 4 pixels"],
    ),
    "malformed genotype": ([*RETRAIN, "{malformed}"], ["{malformed}: is not JSON"]),
    "genotype without cells": ([*RETRAIN, "{no_cells}"], ["normal, reduction"]),
    "genotype of unknown operation": (
        [*RETRAIN, "{unknown}"],
        ["normal cell: node 1", "'sep_conv_3x4'", "Did you mean 'sep_conv_3x3'"],
    ),
    "genotype with forward edge": (
        [*RETRAIN, "{forward}"],
        ["normal cell: node 0", "source 2", "c_{{k-2}}"],
    ),
    "genotype of unequal cells": (
        [*RETRAIN, "{nodes}"],
        ["normal 3, reduction 4"],
    ),
    "printed genotype of unknown operation": (
        [*RETRAIN, "{printed}"],
        ["{printed}: normal cell: node 3", "Did you mean 'dil_conv_3x3'"],
    ),
    "printed genotype that is torn off": (
        [*RETRAIN, DARTS[:100]],
        ["Genotype(normal=[('sep_conv_3x3', 0), ", "received 0 whole ones"],
    ),
    "printed genotype to choose": (
        [*CHOOSE, "DARTS_V2", DARTS],
        ["Genotype(normal=[('sep_conv_3x3', 0), ", "put it in a file"],
    ),
    "printed genotype to compare, without a name": (
        ["compare.py", "--workdir", "{run}", "--arms", DARTS],
        ["cannot be called 'Genotype(normal'", "NAME=GENOTYPE"],
    ),
    "published genotype": ([*RETRAIN, "DARTS_V3"], ["'DARTS_V3'", "DARTS_V2"]),
    "genotype to plot": (
        ["plot.py", "{forward}", "--output", "{run}"],
        ["{forward}: normal cell: node 0"],
    ),
    "workdir below a file": (
        ["search.py", *ON_IMAGES, "--workdir", "{file}/a"],
        ["Cannot write", "{file}/a", "Not a directory"],
    ),
    "workdir that is a file": (
        ["retrain.py", "--genotype", "DARTS_V2", *ON_IMAGES, "--workdir", "{file}"],
        ["Cannot write", "{file}", "Not a directory"],
    ),
    "workdir on a device, before the data": (
        ["search.py", "--dataset", "cifar10", "--workdir", "/dev/null/a"],
        ["Cannot write", "/dev/null/a"],
    ),
    "used workdir, before the data": (
        ["search.py", "--dataset", "cifar10", "--workdir", "{full}"],
        ["{full}", "not empty", "--overwrite"],
    ),
    "used workdir of retraining": (
        ["retrain.py", "--genotype", "DARTS_V2", *ON_IMAGES, "--workdir", "{full}"],
        ["{full}", "not empty", "--overwrite"],
    ),
    "colours of grey images": (
        [*RETRAIN, "DARTS_V2", *ON_IMAGES, "--hue", "0.2"],
        ["hue of 0.2", "3 channels"],
    ),
    "decay of the other schedule": (
        [*RETRAIN, "DARTS_V2", "--learning-rate-decay", "0.9"],
        ["--learning-rate-decay only counts with", "exponential", "cosine"],
    ),
    "images too small for the network": (
        [*RETRAIN, "DARTS_V2", *ON_IMAGES, "--network", "imagenet"],
        ["9x8", "--image-size"],
    ),
    "seed": ([*SEARCH, "--seed", str(2**32)], ["seed", "at most 4294967295"]),
    "no run": (["evaluate.py", "--workdir", "{absent}"], ["no run in '{absent}'"]),
    "run without network": (
        ["export.py", "--workdir", "{full}", "--output", "{run}"],
        ["{full}", "config.json"],
    ),
    "format": (
        ["export.py", "--workdir", "{full}", "--output", "{run}", "--format", "onnx"],
        ["--format", "'onnx'", "saved_model", "litert"],
    ),
    "precision of a SavedModel": (
        ["export.py", "--workdir", "{full}", "--output", "{run}", *INT8],
        ["--precision int8 only counts with --format litert", "saved_model"],
    ),
    "unknown precision": (
        ["export.py", "--workdir", "{full}", "--output", "{run}", "--precision", "4"],
        ["--precision", "'4'", "float16"],
    ),
    "nothing to choose": (["choose.py", "DARTS_V1", "DARTS_V2"], ["--workdir"]),
    "one genotype to choose": (
        [*CHOOSE, "DARTS_V2"],
        ["at least 2 genotypes; received 1"],
    ),
    "run twice to choose": (
        [*CHOOSE, "{search}", "{search}/."],
        ["{search}/genotype.json' was given twice"],
    ),
    "same genotype to choose": (
        [*CHOOSE, "{search}", "DARTS_V2", "DARTS_V1"],
        ["'DARTS_V1' is the same genotype as '{search}/genotype.json'"],
    ),
    "folder without a genotype to choose": (
        [*CHOOSE, "DARTS_V2", "{full}"],
        ["no genotype in '{full}'", "DARTS_V1"],
    ),
    "file that is not there to choose": (
        [*CHOOSE, "DARTS_V2", "{absent}"],
        ["{absent}"],
    ),
    "unfinished search to choose": (
        [*CHOOSE, "DARTS_V2", "{unfinished}"],
        ["'{unfinished}' is unfinished", "--resume", "{unfinished}/genotype.json"],
    ),
    "genotype of unknown operation to choose": (
        [*CHOOSE, "DARTS_V2", "{unknown}"],
        ["{unknown}: normal cell: node 1", "Did you mean 'sep_conv_3x3'"],
    ),
    "nothing to judge the choice by": (
        [*CHOOSE, "DARTS_V1", "DARTS_V2", "--held-out", "0"],
        ["held_out must be", "above 0"],
    ),
    "choice to resume that is none": (
        [*CHOOSE, "DARTS_V1", "DARTS_V2", "--resume"],
        ["no run in '{run}' to resume"],
    ),
    "used workdir of a choice, before the data": (
        ["choose.py", "--workdir", "{full}", "DARTS_V1", "DARTS_V2"]
        + ["--dataset", "cifar10"],
        ["{full}", "not empty", "--overwrite"],
    ),
    "too few images to hold out": (
        [*RETRAIN, "DARTS_V2", *ON_IMAGES, "--held-out", "0.01"],
        ["0.01 leaves 0 of 27 images"],
    ),
    "no run to report": (
        ["report.py", "{absent}"],
        ["no run in '{absent}'", "search.py", "retrain.py"],
    ),
    "folder that is no run to report": (
        ["report.py", "{full}"],
        ["no run in '{full}'", "search.py"],
    ),
    "file to report": (["report.py", "{file}"], ["no run in '{file}'"]),
    "no images to show": (
        ["report.py", "{full}", "--images", "0"],
        ["--images", "at least 1"],
    ),
    "no SavedModel": (
        ["predict.py", "{empty}", "{images}/a"],
        ["'{empty}' is not a SavedModel", "export.py"],
    ),
    "damaged SavedModel": (
        ["predict.py", "{junk_model}", "{images}/a"],
        ["SavedModel '{junk_model}'", "export.py"],
    ),
    "folder without images to predict": (
        ["predict.py", "{junk_model}", "{empty}"],
        ["'{empty}' has no images"],
    ),
}


@pytest.mark.parametrize(("words", "expected"), BAD.values(), ids=BAD)
def test_mistake_is_one_line_and_code_2(words, expected, places, capsys):
    words = [word.format(**places) for word in words]
    before = sorted(places["images"].parent.rglob("*"))
    assert scripts.run(*words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert re.fullmatch(rf"{re.escape(words[0])}: error: .*\n", output.err)
    for part in expected:
        assert part.format(**places) in output.err
    assert sorted(places["images"].parent.rglob("*")) == before


def test_missing_second_derivative_is_refused_before_the_data(
    places, monkeypatch, capsys
):
    script = scripts.load("search.py")

    def refuse(operations):
        raise InputError(f"{len(operations)} operations without.")

    monkeypatch.setattr(script, "check_second_derivatives", refuse)
    words = ["--workdir", places["run"], "--dataset", "unknown", "--order", 2]
    assert scripts.run("search.py", *words, "--hessian", "exact") == 2
    assert capsys.readouterr().err == "search.py: error: 10 operations without.\n"
    assert scripts.run("search.py", *words) == 2
    assert "data set 'unknown'" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_workdir_without_permission_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert scripts.run("search.py", "--workdir", tmp_path / "a") == 2
    assert "Permission denied" in capsys.readouterr().err


def test_refused_overwriting_keeps_the_earlier_run(places, tmp_path):
    genotype = tmp_path / "genotype.json"
    genotype.write_text("earlier")
    words = ["--overwrite", "--workdir", tmp_path, "--dataset", places["flat"]]
    assert scripts.run("search.py", *words, *scripts.SMALL) == 2
    assert genotype.read_text() == "earlier"
