"""The command line, run as a user runs it."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from torchvitals import Baseline
from torchvitals.cli import app
from torchvitals.cli.building.tables import batches_of
from torchvitals.training.fitting import edge_positions

MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 3)

    def forward(self, rows):
        return self.layer(rows)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"amount": rng.lognormal(size=1000), "hour": rng.integers(0, 24, 1000), "note": "x"})
    frame.to_parquet(tmp_path / "train.parquet")
    frame.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "model.py").write_text(MODEL)
    torch.save({"layer.weight": torch.randn(3, 2), "layer.bias": torch.zeros(3)}, tmp_path / "weights.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, arguments)


BUILD = ("baseline", "build", "--columns", "amount,hour", "--output", "baselines/fraud-1.2.json")
WITH_MODEL = ("--model", "model.py", "--weights", "weights.pt", "--class-names", "a,b,c")


@pytest.mark.parametrize("data", ["train.parquet", "train.csv"])
def test_build_writes_what_fit_gives(folder, data):
    result = run(*BUILD, "--data", data, *WITH_MODEL)
    assert result.exit_code == 0, result.output
    assert "wrote baselines/fraud-1.2.json: 1,000 rows, 7 features" in result.output
    baseline = Baseline.load("baselines/fraud-1.2.json")
    assert (baseline.name, baseline.version) == ("fraud", "1.2")
    assert [feature.name for feature in baseline.features] == [
        "amount",
        "hour",
        "row_distance",
        "predicted_class",
        "confidence",
        "entropy",
        "margin",
    ]
    assert baseline.outputs.classes == ["a", "b", "c"]
    frame = pd.read_parquet("train.parquet")[["amount", "hour"]]
    assert baseline.of_source("input") == Baseline.fit(frame).features


@pytest.mark.parametrize(
    "data",
    [
        ("parts",),
        ("parts/*.parquet", "parts/more"),
        ("parts/0.parquet", "parts/1.parquet", "parts/more/2.csv"),
    ],
    ids=["folder", "pattern", "files"],
)
def test_build_reads_many_files_as_one(folder, data):
    frame = pd.read_parquet("train.parquet")
    (folder / "parts" / "more").mkdir(parents=True)
    (folder / "parts" / "_temporary.csv").write_text("no,data\n")
    frame[:300].to_parquet("parts/0.parquet")
    frame[300:700].to_parquet("parts/1.parquet")
    frame[700:].to_csv("parts/more/2.csv", index=False)
    result = run(*BUILD, *(word for path in data for word in ("--data", path)), *WITH_MODEL)
    assert result.exit_code == 0, result.output
    baseline = Baseline.load("baselines/fraud-1.2.json")
    assert baseline.of_source("input") == Baseline.fit(frame[["amount", "hour"]]).features
    assert [feature.count for feature in baseline.of_source("output")] == [1000] * 4


def test_build_streams_what_is_large(folder):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"amount": rng.lognormal(size=150_000), "hour": rng.integers(0, 24, 150_000)})
    frame.to_parquet("large.parquet")
    assert run(*BUILD, "--data", "large.parquet", *WITH_MODEL).exit_code == 0
    streamed, fitted = Baseline.load("baselines/fraud-1.2.json"), Baseline.fit(frame)
    assert streamed.samples == 150_000
    amount, hour, _ = streamed.of_source("input")
    assert hour.counts == fitted.features[1].counts
    assert (amount.mean, amount.std) == pytest.approx((fitted.features[0].mean, fitted.features[0].std))
    expected = np.diff([0, *(edge_positions(150_000) + 1), 150_000])
    assert np.array(amount.counts[:-1]) == pytest.approx(expected, rel=0.06)
    assert sum(streamed.of_source("output")[0].counts) == 150_000


def test_a_parquet_file_is_never_held_whole(folder):
    values = np.random.default_rng(0).normal(size=(2_000_000, 2)).astype(np.float32)
    pq.write_table(pa.table({"a": values[:, 0], "b": values[:, 1]}), "big.parquet", row_group_size=500_000)
    before, held, rows = pa.total_allocated_bytes(), 0, 0
    for batch in batches_of(folder / "big.parquet", ["a", "b"]):
        held = max(held, pa.total_allocated_bytes() - before)
        rows += len(batch.frame)
    assert rows == len(values)
    assert batch.file_bytes == (folder / "big.parquet").stat().st_size
    assert held < batch.file_bytes / 2


def test_time_order_is_kept_over_several_files(folder):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"amount": rng.normal(size=4000), "hour": rng.normal(size=4000), "day": range(4000)})
    frame[2000:].to_csv("0.csv", index=False)
    frame[:2000].to_parquet("1.parquet")
    options = ("--time-column", "day", "--window", "200", "--window", "1000")
    result = run(*BUILD, "--data", "0.csv", "--data", "1.parquet", *options)
    assert result.exit_code == 0, result.output
    assert "window 1,000: the rows are too few" in result.output
    expected = Baseline.fit(frame[["amount", "hour"]], ordered=True, windows=(200, 1000))
    assert Baseline.load("baselines/fraud-1.2.json").features == expected.features


def test_parts_merge_into_one_file(folder):
    frame = pd.read_parquet("train.parquet")[["amount", "hour"]]
    frame[:400].to_csv("0.csv", index=False)
    frame[400:].to_csv("1.csv", index=False)
    for part in "01":
        result = run(
            "baseline", "build", "--data", f"{part}.csv", "--output", f"part-{part}.json", "--mergeable"
        )
        assert result.exit_code == 0, result.output
    result = run("baseline", "merge", "part-0.json", "part-1.json", "--output", "whole-3.0.json")
    assert result.exit_code == 0, result.output
    assert "wrote whole-3.0.json: 1,000 rows, 2 features" in result.output
    whole = Baseline.load("whole-3.0.json")
    assert (whole.name, whole.version) == ("whole", "3.0")
    assert whole.features == Baseline.fit(pd.read_csv("train.csv")[["amount", "hour"]]).column_features
    run("baseline", "merge", "part-0.json", "part-1.json", "--output", "again-3.0.json", "--mergeable")
    assert run("baseline", "merge", "again-3.0.json", "part-1.json", "--output", "third.json").exit_code == 0
    assert Baseline.load("third.json").samples == 1600


def test_merging_a_file_that_is_not_mergeable_says_which_and_how(folder):
    run(*BUILD, "--data", "train.csv")
    result = run("baseline", "merge", "baselines/fraud-1.2.json", "--output", "whole.json")
    assert result.exit_code == 1
    assert (
        "'baselines/fraud-1.2.json': baseline 'fraud' version 1.2 was not built to be merged" in result.stderr
    )
    assert "--mergeable" in result.stderr


def test_compare_lists_the_largest_difference_first(folder):
    frame = pd.read_parquet("train.parquet")
    frame.assign(hour=frame["hour"] % 6).to_csv("moved.csv", index=False)
    run(*BUILD, "--data", "train.csv")
    run("baseline", "build", "--columns", "amount,hour", "--data", "moved.csv", "--output", "moved-1.3.json")
    result = run("baseline", "compare", "baselines/fraud-1.2.json", "moved-1.3.json")
    assert result.exit_code == 0, result.output
    assert "A baselines/fraud-1.2.json: fraud version 1.2, 1,000 rows" in result.output
    assert "B moved-1.3.json: moved version 1.3, 1,000 rows" in result.output
    rows = [line.split() for line in result.output.splitlines() if " input " in line]
    assert [row[0] for row in rows] == ["hour", "amount"]
    assert rows[1][2:6] == ["0.000"] * 4
    assert float(rows[0][3]) > 0.25
    assert "1 of 2 features have a PSI of 0.1 or more." in result.output


def test_compare_refuses_other_columns(folder):
    run(*BUILD, "--data", "train.csv")
    run("baseline", "build", "--columns", "amount", "--data", "train.csv", "--output", "one.json")
    result = run("baseline", "compare", "baselines/fraud-1.2.json", "one.json")
    assert result.exit_code == 1
    assert "only the first baseline has: hour (input)" in result.stderr


def test_build_takes_torchscript(folder):
    torch.jit.trace(torch.nn.Linear(2, 1), torch.zeros(1, 2)).save("model.pt")
    assert run(*BUILD, "--data", "train.csv", "--model", "model.pt").exit_code == 0
    assert Baseline.load("baselines/fraud-1.2.json").outputs.kind == "regression"


def test_show_prints_each_feature_with_a_bar(folder):
    run(*BUILD, "--data", "train.csv", *WITH_MODEL)
    result = run("baseline", "show", "baselines/fraud-1.2.json")
    assert result.exit_code == 0
    lines = [
        line
        for line in map(str.strip, result.output.splitlines())
        if line.startswith(("amount", "hour", "confidence"))
    ]
    assert len(lines) == 3
    assert all("█" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--data", "none.csv"), "--data: there is no file 'none.csv'"),
        (("--data", "model.py"), "ends in '.py'; give a .parquet or a .csv file"),
        (("--data", "weights.parquet"), "--data: 'weights.parquet' cannot be read"),
        (
            ("--data", "train.csv", "--columns", "amount,speed"),
            "has no column speed; it has: amount, hour, note",
        ),
        (("--data", "train.csv", "--data", "other.csv"), "'other.csv' has no column amount; it has: hour"),
        (("--data", "empty"), "folder 'empty' has no .parquet or .csv file"),
        (("--data", "*.parq"), "there is no file '*.parq'"),
        (("--data", "broken.csv"), "--data: 'broken.csv' line 3 has 4 fields, and the header has 2"),
        (("--data", "header.csv"), "the training data have no rows"),
        (("--data", "train.csv", "--mergeable", "--time-column", "note"), "--mergeable does not go with"),
        (("--data", "train.csv", "--columns", "amount,note", *WITH_MODEL), "a column is text"),
        (("--data", "train.csv", "--model", "none.pt"), "there is no file 'none.pt'"),
        (
            ("--data", "train.csv", "--model", "model.py"),
            "--weights is missing: 'model.py' needs its state_dict",
        ),
        (
            ("--data", "train.csv", "--columns", "amount", *WITH_MODEL),
            "'model.py' does not take rows of 1 values",
        ),
        (("--data", "train.csv", "--model", "train.csv"), "'train.csv' is not a TorchScript file"),
        (("--data", "train.csv", *WITH_MODEL[:-1], "a,b"), "2 class names for outputs with 3 classes"),
    ],
)
def test_bad_arguments_get_one_clear_line(folder, arguments, complaint):
    (folder / "weights.parquet").write_bytes(b"not parquet")
    (folder / "other.csv").write_text("hour\n1\n")
    (folder / "header.csv").write_text("amount,hour\n")
    (folder / "broken.csv").write_text("amount,hour\n1,2\n1,2,3,4\n")
    (folder / "empty").mkdir()
    result = run(*BUILD, *arguments)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert result.stderr.startswith("torchvitals: ")
    assert "Traceback" not in result.output


def test_show_of_a_damaged_file_says_so(folder):
    (folder / "bad.json").write_text("{")
    result = run("baseline", "show", "bad.json")
    assert result.exit_code == 1
    assert "is not whole JSON" in result.stderr


def test_generate_writes_and_check_notices(folder):
    assert run("metrics", "generate", "--check").exit_code == 1
    assert run("metrics", "generate").exit_code == 0
    assert run("metrics", "generate", "--check").exit_code == 0
    (folder / "metrics.yaml").write_text("changed")
    result = run("metrics", "generate", "--check")
    assert result.exit_code == 1
    assert "metrics.yaml differs from its declarations" in result.stderr


CLASSIFIER = """
import torch

class Network(torch.nn.Module):
    def forward(self, rows):
        odds = torch.stack([-rows[:, 0], rows[:, 0]], dim=1)
        return odds

    def load_state_dict(self, state):
        return None
"""


@pytest.fixture
def labelled(folder):
    rng = np.random.default_rng(5)
    (folder / "sign.py").write_text(CLASSIFIER)
    torch.save({}, folder / "empty.pt")
    for name, rows, wrong in (("train", 2000, 0.1), ("held", 1000, 0.3)):
        values = rng.normal(size=rows).astype("float32")
        truth = np.where((values > 0) ^ (rng.random(rows) < wrong), "yes", "no")
        table = pd.DataFrame(
            {"x": values, "y": rng.normal(size=rows), "truth": truth, "when": np.arange(rows)}
        )
        table.to_parquet(folder / f"{name}-labelled.parquet")
    return folder


SIGN = ("--model", "sign.py", "--weights", "empty.pt", "--class-names", "no,yes", "--label-column", "truth")


@pytest.mark.parametrize(
    "order", [(), ("--time-column", "when", "--window", "100")], ids=["streamed", "ordered"]
)
def test_labels_tell_what_confidence_is_worth(labelled, order):
    build = (
        "baseline",
        "build",
        "--output",
        "sign-1.0.json",
        "--data",
        "train-labelled.parquet",
        *SIGN,
        *order,
    )
    result = run(*build, "--columns", "x,y")
    assert result.exit_code == 0, result.output
    trained = Baseline.load("sign-1.0.json")
    assert trained.accuracy.samples == 2000
    assert trained.accuracy.ratio == pytest.approx(0.9, abs=0.02)
    assert run(*build, "--columns", "x,y", "--held-out", "held-labelled.parquet").exit_code == 0
    held = Baseline.load("sign-1.0.json")
    assert (held.samples, held.accuracy.samples) == (2000, 1000)
    assert held.accuracy.ratio == pytest.approx(0.7, abs=0.04)
    shown = run("baseline", "show", "sign-1.0.json").output
    assert "inputs are columns" in shown
    assert f"accuracy {held.accuracy.ratio:.1%} on 1,000 labelled rows" in shown


def test_the_label_and_the_time_are_no_inputs(labelled):
    build = ("baseline", "build", "--output", "sign-1.0.json", "--data", "train-labelled.parquet")
    assert run(*build, *SIGN, "--time-column", "when").exit_code == 0
    assert [f.name for f in Baseline.load("sign-1.0.json").column_features] == ["x", "y"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--held-out", "held-labelled.parquet"), "--held-out needs --label-column"),
        (
            (*SIGN, "--held-out", "train.csv"),
            "'train.csv' has no column x, y, truth; it has: amount, hour, note",
        ),
    ],
)
def test_labels_that_cannot_be_used_are_refused(labelled, options, complaint):
    build = (
        "baseline",
        "build",
        "--output",
        "sign-1.0.json",
        "--data",
        "train-labelled.parquet",
        "--columns",
        "x,y",
    )
    result = run(*build, *options)
    assert result.exit_code == 1
    assert complaint in result.stderr


def test_a_column_of_lists_or_texts_and_the_features_section(folder):
    rng = np.random.default_rng(6)
    ids = [rng.integers(1, 300, rng.integers(3, 12)).tolist() for _ in range(800)]
    texts = [" ".join(f"word{number}" for number in row) for row in ids]
    vectors = [rng.normal(size=16).astype("float32") for _ in range(800)]
    pd.DataFrame({"ids": ids, "texts": texts, "vectors": vectors}).to_parquet("lists.parquet")
    for column, kind, names in (
        ("ids", "tokens", ["length", "out_of_vocabulary"]),
        ("texts", "texts", ["words", "out_of_vocabulary"]),
        ("vectors", "embeddings", ["norm", "centroid_distance"]),
    ):
        (folder / "model-config.yaml").write_text(
            f"handler: {{monitoring: {{features: {{inputs: {kind}}}}}}}"
        )
        build = ("baseline", "build", "--data", "lists.parquet", "--output", f"{kind}-1.0.json")
        result = run(*build, "--columns", column, "--config", "model-config.yaml")
        assert result.exit_code == 0, result.output
        baseline = Baseline.load(f"{kind}-1.0.json")
        assert (baseline.input_kind, baseline.samples) == (kind, 800)
        assert [feature.name for feature in baseline.features][:2] == names
    lengths = Baseline.load("tokens-1.0.json").features[0]
    assert (lengths.min, lengths.max) == (3, 11)
    result = run(*build, "--config", "model-config.yaml")
    assert result.exit_code == 1
    assert "embeddings are one column, and there are 3; choose it with --columns" in result.stderr
    result = run(*build, "--columns", "texts", "--config", "model-config.yaml")
    assert "column 'texts' must hold lists of numbers" in result.stderr
    (folder / "model-config.yaml").write_text("handler: {monitoring: {features: {inputs: sounds}}}")
    result = run(*build, "--columns", "ids", "--config", "model-config.yaml")
    assert (
        "model-config.yaml: handler.monitoring.features: inputs: unknown kind 'sounds'; known kinds: columns, "
        in result.stderr
    )


SIGMOIDS = MODEL.replace("Linear(2, 3)", "Linear(2, 1)").replace(
    "return self.layer(rows)", "return self.layer(rows).sigmoid()"
)
BOXES = MODEL.replace(
    "return self.layer(rows)",
    "scores = self.layer(rows).sigmoid()\n"
    "        boxes, labels = torch.rand(len(rows), 3, 4), torch.ones(len(rows), 3).long()\n"
    "        return {'boxes': boxes, 'scores': scores, 'labels': labels}",
)
LANGUAGE = MODEL.replace(
    "return self.layer(rows)", "return self.layer(rows)[:, :, None] * torch.randn(3, 50000)"
)
WITH = ("--model", "model.py", "--weights", "weights.pt")


@pytest.mark.parametrize(
    ("model", "options", "sentence"),
    [
        (SIGMOIDS, ("--class-names", "legitimate,fraud"), "outputs: 2 classes by one sigmoid"),
        (SIGMOIDS, ("--output-kind", "binary"), "outputs: 2 classes by one sigmoid"),
        (SIGMOIDS, (), "outputs: one value (if it is a probability, say features: outputs: kind: binary"),
        (MODEL, ("--output-kind", "values", "--class-names", "low,middle,high"), "outputs: 3 values"),
        (MODEL, ("--output-kind", "none"), "outputs: not compared"),
        (
            MODEL,
            (),
            "outputs: 3 classes by logits (if they are no classes, say features: outputs: kind: values",
        ),
        (BOXES, (), "outputs: boxes of 1 class"),
        (LANGUAGE, (), "outputs: sequences of 50,000 classes by logits"),
    ],
)
def test_build_and_show_say_what_the_outputs_are(folder, model, options, sentence):
    outputs = 1 if model is SIGMOIDS else 3
    (folder / "model.py").write_text(model)
    torch.save(
        {"layer.weight": torch.randn(outputs, 2), "layer.bias": torch.zeros(outputs)}, folder / "weights.pt"
    )
    pd.read_parquet("train.parquet")[:150].to_parquet("some.parquet")
    result = run(*BUILD, "--data", "some.parquet", *WITH, *options)
    assert result.exit_code == 0, result.output
    shown = run("baseline", "show", "baselines/fraud-1.2.json")
    for output in (result.output, shown.output):
        line = " ".join(output.split())
        assert f"2 features: 2 numbers; {sentence}" in line


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ("--output-kind", "binery"),
            "--output-kind: outputs: unknown kind 'binery'; known kinds: regression, ",
        ),
        (("--output-kind", "binary"), "two classes by one number are (rows,) or (rows, 1)"),
        (
            ("--output-kind", "binary", "--config", "config.yaml"),
            "--output-kind says binary, and --config says values",
        ),
    ],
)
def test_a_kind_of_output_that_does_not_fit_gets_one_clear_line(folder, options, complaint):
    (folder / "config.yaml").write_text("handler: {monitoring: {features: {outputs: values}}}")
    result = run(*BUILD, "--data", "train.csv", *WITH, *options)
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def partners(folder):
    rng = np.random.default_rng(9)
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2026-01-01", periods=9000, freq="min"),
            "partner": rng.choice(["AA", "B6", "UA"], 9000, p=[0.6, 0.35, 0.05]),
            "cabin": rng.choice(["economy", "first"], 9000, p=[0.9, 0.1]),
            "amount": rng.normal(size=9000),
        }
    )
    frame.to_csv(folder / "partners.csv", index=False)
    frame.to_parquet(folder / "partners.parquet")
    return frame.partner.value_counts()


BY_PARTNER = ("baseline", "build", "--output", "p-1.json", "--segments", "partner")


@pytest.mark.parametrize(
    "options", [(), ("--mergeable",), ("--time-column", "at")], ids=["in one pass", "mergeable", "in order"]
)
@pytest.mark.parametrize("data", ["partners.parquet", "partners.csv"])
def test_build_and_show_tell_of_segments(partners, data, options):
    excluded = () if "at" in options else ("--exclude", "at")
    result = run(*BY_PARTNER, "--data", data, *options, *excluded)
    assert result.exit_code == 0, result.output
    line = (
        f"segments by partner, of 300 rows or more: partner=AA {partners.AA:,}, partner=B6 {partners.B6:,}, "
        f"partner=UA {partners.UA:,}"
    )
    assert line in " ".join(result.output.split())
    assert line in " ".join(run("baseline", "show", "p-1.json").output.split())


def test_segments_of_two_columns_are_merged_from_files(partners):
    for name in ("a", "b"):
        result = run(
            *("baseline", "build", "--output", f"{name}-1.json", "--segments", "partner,cabin"),
            *("--data", "partners.csv", "--exclude", "at", "--mergeable"),
        )
        assert result.exit_code == 0, result.output
    result = run("baseline", "merge", "a-1.json", "b-1.json", "--output", "m-1.json")
    assert result.exit_code == 0, result.output
    segments = Baseline.load("m-1.json").segments
    rows = {segments.name(one): one.rows for one in segments.segments}
    pairs = pd.read_csv("partners.csv").groupby(["partner", "cabin"]).size()
    expected = {f"partner={one} cabin={other}": 2 * rows for (one, other), rows in pairs.items()}
    assert rows == {name: count for name, count in expected.items() if count >= 300}
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("partnr", "the data have no column 'partnr'; did you mean 'partner'?"),
        ("amount", "column 'amount' holds numbers of many different values"),
        ("a,b,c", "--segments: segments: a, b, c: give one column, or two different ones"),
    ],
)
def test_segments_that_cannot_be_told_apart_are_refused(partners, said, message):
    result = run(*BY_PARTNER[:-1], said, "--data", "partners.csv", "--exclude", "at")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
