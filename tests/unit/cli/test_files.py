"""Files as people have them: read right, or refused with the option to give."""

import datetime
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from torchvitals import Baseline
from torchvitals.cli import app
from torchvitals.cli.building.ray import count_file
from torchvitals.cli.building.recipe import Recipe
from torchvitals.training.options import BuildOptions

ROWS = 40


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(*arguments, data="data.csv"):
    """Build from a file; return the baseline, and what was printed."""
    output = CliRunner().invoke(
        app, ["baseline", "build", "--data", data, "--output", "built-1.0.json", *arguments]
    )
    assert output.exit_code == 0, output.output
    return Baseline.load("built-1.0.json"), output.output


def refusal(*arguments, data="data.csv"):
    """Return the one line of a build that is refused."""
    output = CliRunner().invoke(
        app, ["baseline", "build", "--data", data, "--output", "built-1.0.json", *arguments]
    )
    assert output.exit_code == 1, output.output
    assert output.stderr.startswith("torchvitals: ")
    assert output.stderr.count("\n") == 1
    return output.stderr


def write(path, header, rows, *, separator=",", end="\n", encoding="utf-8"):
    lines = [separator.join(map(str, row)) for row in [header, *rows]]
    with open(path, "w", encoding=encoding, newline="") as file:
        file.write(end.join(lines) + end)


def by_name(baseline):
    return {feature.name: feature for feature in baseline.column_features}


NUMBERS = [(row, row * 0.5, row % 4) for row in range(ROWS)]
PLAIN = Baseline.fit(pd.DataFrame(NUMBERS, columns=["a", "b", "c"])).features


@pytest.mark.parametrize(
    ("header", "rows", "separator"),
    [
        ("abc", [(*row, "") for row in NUMBERS], ","),
        ("abc", [(*row, "") if row[0] % 2 else row for row in NUMBERS], ","),
        (["a", "b", "c", ""], [(*row, "") for row in NUMBERS], ","),
        ("abc", NUMBERS, ";"),
        ("abc", NUMBERS, "\t"),
        ("abc", NUMBERS, "|"),
        ("abc", [(*row, "") for row in NUMBERS], ";"),
        (["a", " b", " c"], [(a, f" {b}", f" {c}") for a, b, c in NUMBERS], ","),
        ("abc", [(a, f'"{b}"', c) for a, b, c in NUMBERS], ","),
        (["", "a", "b", "c"], [(place, *row) for place, row in enumerate(NUMBERS)], ","),
    ],
    ids=[
        "trailing comma", "trailing comma in some rows", "trailing comma in the header too", "semicolons", "tabs",
        "bars", "trailing semicolon", "spaces after commas", "quotes", "an index without a name",
    ],
)  # fmt: skip
def test_no_column_is_shifted(header, rows, separator):
    write("data.csv", header, rows, separator=separator)
    baseline, said = build()
    assert baseline.features == PLAIN
    assert "taken: a, b, c" in said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_an_encoding_are_no_part_of_a_name(encoding):
    write("data.csv", "abc", NUMBERS, encoding=encoding)
    assert build()[0].features == PLAIN
    if encoding == "utf-8-sig":
        assert build("--encoding", "utf-8")[0].features == PLAIN


def test_a_suffix_may_be_in_capitals():
    write("DATA.CSV", "abc", NUMBERS)
    assert build(data="DATA.CSV")[0].features == PLAIN


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_end_as_they_do_elsewhere(end):
    write("data.csv", "abc", NUMBERS, end=end)
    assert build()[0].features == PLAIN


@pytest.mark.parametrize(
    ("bad", "line"), [("1,2", 22), ("1,2,3,4", 22), ("1,2,3,", 22), ('1,2,"x\ny",4,5', 22)]
)
def test_a_row_of_another_length_is_refused_with_its_line(bad, line):
    lines = ["a,b,c", *(",".join(map(str, row)) for row in NUMBERS)]
    lines.insert(21, bad)
    Path("data.csv").write_text("\n".join(lines) + "\n")
    if bad.endswith(","):
        # Empty beyond the last column, it holds nothing that could shift.
        assert build()[0].samples == ROWS + 1
    else:
        assert f"'data.csv' line {line} has {len(bad.split(','))} fields, and the header has 3" in (refusal())


def test_names_of_rows_without_a_name_of_their_own_are_refused():
    write("data.csv", "abc", [(f"row{row[0]}", *row) for row in NUMBERS])
    assert "line 2 has 4 fields, and the header has 3" in refusal()


def test_decimal_commas_are_numbers():
    rows = [(f"{row * 0.25:.2f}".replace(".", ","), row, "x" if row % 2 else "y") for row in range(ROWS)]
    write("data.csv", ["price", "count", "kind"], rows, separator=";")
    baseline, said = build()
    assert by_name(baseline)["price"].max == (ROWS - 1) * 0.25
    assert by_name(baseline)["count"].max == ROWS - 1
    assert by_name(baseline)["kind"].categories == ["x", "y"]
    assert "separator semicolon; decimal comma" in said


def test_decimal_commas_in_quotes_are_numbers():
    rows = [(f'"{row},5"', row) for row in range(ROWS)]
    write("data.csv", ["price", "count"], rows)
    assert by_name(build()[0])["price"].min == 0.5


@pytest.mark.parametrize(
    ("option", "value", "most"), [("--thousands", ",", 1039.0), ("--decimal", ",", 1.039)]
)
def test_marks_that_mean_one_of_two_things_are_asked_for(option, value, most):
    write("data.csv", ["price"], [(f'"1,{row:03}"',) for row in range(ROWS)])
    assert "column 'price' holds numbers with decimal commas or marks between thousands" in refusal()
    assert by_name(build(option, value)[0])["price"].max == pytest.approx(most)


def test_the_separator_that_excel_writes_above_the_header_is_taken():
    write("data.csv", "abc", NUMBERS, separator="|")
    rows = Path("data.csv").read_text()
    Path("data.csv").write_text("sep=|\n" + rows)
    assert build()[0].features == PLAIN
    Path("data.csv").write_text("sep=|\n" + rows + "1|2\n")
    assert f"line {ROWS + 3} has 2 fields" in refusal()


def test_a_single_column_of_decimal_commas_is_one_of_numbers():
    write("data.csv", ["price"], [(f"{row},25",) for row in range(ROWS)])
    assert by_name(build()[0])["price"].max == ROWS - 0.75


def test_marks_between_thousands_beside_decimal_commas_are_asked_for():
    write(
        "data.csv",
        ["price"],
        [(f"{row},50" if row % 2 else f"1.{row:03},50",) for row in range(ROWS)],
        separator=";",
    )
    assert "--decimal , --thousands ." in refusal()
    found = by_name(build("--decimal", ",", "--thousands", ".")[0])["price"]
    assert (found.min, found.max) == (1.5, 1038.5)


def test_decimals_of_both_kinds_are_asked_for():
    write("data.csv", ["a", "b"], [(f"{row}.5", f"{row},5") for row in range(ROWS)], separator=";")
    assert "column 'b' holds numbers with decimal commas" in refusal()
    assert by_name(build("--exclude", "b")[0])["a"].min == 0.5


def test_a_separator_that_may_be_one_of_two_is_asked_for():
    write("data.csv", ["a,b;c"], [("1,2;3",)] * ROWS)
    assert "say which with --separator" in refusal()
    assert list(by_name(build("--separator", ";", "--decimal", ",")[0])) == ["a,b", "c"]


def test_latin_1_is_asked_for():
    write("data.csv", ["city"], [("Malmö",), ("Århus",)] * ROWS, encoding="latin-1")
    assert "'data.csv' is not UTF-8; say what it is, such as --encoding latin-1" in refusal()
    assert by_name(build("--encoding", "latin-1")[0])["city"].categories == ["Malmö", "Århus"]
    assert "--encoding: unknown encoding 'latin-99'" in refusal("--encoding", "latin-99")


def test_a_late_row_that_is_not_utf_8_is_refused_too():
    with open("data.csv", "wb") as file:
        file.write(b"city\n" + b"Oslo\n" * 5000 + b"Malm\xf6\n")
    assert "is not UTF-8" in refusal()


def test_namibia_is_a_country_and_na_is_no_number():
    rows = [("NA" if row % 4 else "NO", "NA" if row % 5 == 0 else row, "") for row in range(ROWS)]
    write("data.csv", ["country", "age", "none"], rows)
    baseline, said = build()
    found = by_name(baseline)
    assert (found["country"].categories, found["country"].missing) == (["NA", "NO"], 0)
    assert (found["age"].missing, found["age"].max) == (ROWS // 5, ROWS - 1)
    assert found["none"].missing == ROWS
    assert "missing: empty, and in columns of numbers NA" in said
    assert "column 'country' is one of texts, and NA in it is a text like any other" in said


def test_which_texts_are_missing_can_be_said():
    rows = [("NA" if row % 4 else "NO", -999 if row % 5 == 0 else row) for row in range(ROWS)]
    write("data.csv", ["country", "age"], rows)
    baseline, said = build("--missing-text", "NA", "--missing-text", "-999")
    found = by_name(baseline)
    assert (found["country"].categories, found["country"].missing) == (["NO"], ROWS * 3 // 4)
    assert (found["age"].missing, found["age"].min) == (ROWS // 5, 1)
    assert "missing: empty, NA, -999\n" in said


def test_no_text_need_be_missing():
    write("data.csv", ["country", "n"], [("" if row % 2 else "NO", row) for row in range(ROWS)])
    baseline, said = build("--no-missing-text")
    assert (by_name(baseline)["country"].categories, by_name(baseline)["country"].missing) == (["", "NO"], 0)
    assert "missing: none\n" in said
    assert "exclude each other" in refusal("--no-missing-text", "--missing-text", "NA")


@pytest.mark.parametrize("first", ["NA", "17"])
def test_a_column_is_of_one_kind_in_all_batches(first, monkeypatch):
    monkeypatch.setattr("torchvitals.cli.building.csv_files.BATCH_ROWS", 10)
    rows = [(row, first if row < 10 else "NA" if row % 2 else "x") for row in range(ROWS)]
    write("data.csv", ["n", "kind"], rows)
    if first == "17":
        assert (
            "column 'kind' holds numbers in some rows and texts in others; name the texts that mean missing"
            in (refusal())
        )
    else:
        assert by_name(build()[0])["kind"].counts[0] == 15
    rows = [(row, row if row >= 10 else "NA") for row in range(ROWS)]
    write("data.csv", ["n", "kind"], rows)
    found = by_name(build()[0])["kind"]
    assert (found.min, found.max, found.missing) == (10, ROWS - 1, 10)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--column", "price, EUR", "--column", "opening hour"), ["price, EUR", "opening hour"]),
        (("--columns", "n,opening hour", "--column", "price, EUR"), ["n", "opening hour", "price, EUR"]),
        (("--columns", "price, EUR"), ["price, EUR"]),
        (("--columns", '"price, EUR", n'), ["price, EUR", "n"]),
        (("--columns", "n,opening hour"), ["n", "opening hour"]),
        (("--columns", "@names.txt"), ["n", "price, EUR"]),
        (("--exclude", "price, EUR"), ["opening hour", "n", "day", "label"]),
        (("--exclude", "n,day", "--exclude", "label"), ["price, EUR", "opening hour"]),
    ],
)
def test_columns_of_any_name_can_be_named(arguments, names):
    frame = pd.DataFrame({name: range(ROWS) for name in ("price, EUR", "opening hour", "n", "day", "label")})
    frame.to_csv("data.csv", index=False)
    Path("names.txt").write_text("n\nprice, EUR\n")
    assert list(by_name(build(*arguments)[0])) == names


def test_what_is_no_input_is_left_out_and_listed():
    frame = pd.DataFrame({name: range(ROWS) for name in ("a", "b", "day", "label", "id")})
    frame.to_csv("data.csv", index=False)
    baseline, said = build("--time-column", "day", "--label-column", "label", "--exclude", "id")
    assert list(by_name(baseline)) == ["a", "b"]
    assert "taken: a, b; left out: id (excluded), day (time), label (label); missing: " in said
    assert "--exclude: there is no column 'idd'; did you mean 'id'?" in refusal("--exclude", "idd")
    assert "no input column is left" in refusal("--exclude", "a,b,day,label,id")


DAYS = [datetime.datetime(2025, 12, 20, 22, 15) + datetime.timedelta(hours=11 * row) for row in range(400)]


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("%d/%m/%Y %H:%M", ()),
        ("%m/%d/%Y %I:%M %p", ()),
        ("%d.%m.%Y %H:%M:%S", ()),
        ("%d-%b-%Y %H:%M", ()),
        ("%Y-%m-%d %H:%M:%S", ()),
        ("%Y-%m-%dT%H:%M:%S+02:00", ()),
        ("%Y/%m/%d %H:%M", ()),
        ("%s", ()),
        ("%H:%M %d.%m.%Y", ("--time-format", "%H:%M %d.%m.%Y")),
    ],
)
def test_rows_are_sorted_by_time_and_not_by_text(form, options):
    rng = np.random.default_rng(3)
    values = np.arange(400) / 400 + rng.normal(scale=0.01, size=400)
    expected = Baseline.fit(pd.DataFrame({"x": values.round(6)}), ordered=True, windows=(20,))
    rows = [(f"{value:.6f}", day.strftime(form)) for value, day in zip(values, DAYS)]
    write("data.csv", ["x", "when"], [rows[place] for place in rng.permutation(400)])
    baseline, _ = build("--time-column", "when", "--window", "20", *options)
    assert baseline.features == expected.features


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ([f"0{row % 9 + 1}/0{row % 7 + 1}/2026" for row in range(ROWS)], "can be read in more than one way"),
        (["yesterday"] * ROWS, "holds texts that are not times of one form; say how they are written"),
        (["13/01/2026", "01/13/2026"] * ROWS, "holds texts that are not times of one form"),
        (["2026-01-01", ""] * ROWS, "column 'when' has no time in 40 rows"),
    ],
)
def test_times_that_cannot_be_told_are_refused(times, complaint):
    write("data.csv", ["x", "when"], [(row, time) for row, time in enumerate(times)])
    found = refusal("--time-column", "when")
    assert complaint in found
    assert "yesterday" not in found


def test_a_time_format_that_does_not_fit_is_refused():
    write("data.csv", ["x", "when"], [(row, "01/02/2026") for row in range(ROWS)])
    assert "has 40 texts that are not times of the form '%Y-%m-%d'" in (
        refusal("--time-column", "when", "--time-format", "%Y-%m-%d")
    )


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%y", "parquet", "zoned"])
def test_times_become_parts_on_request_and_are_no_category(form):
    frame = pd.DataFrame({"x": np.arange(400.0), "departure": DAYS})
    data = "data.csv"
    if form == "parquet":
        data = "data.parquet"
        frame.to_parquet(data)
        assert "column 'departure' holds dates or times" in refusal(data=data)
    elif form == "zoned":
        data = "data.parquet"
        frame["departure"] = frame["departure"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
        frame.to_parquet(data)
    else:
        frame.assign(departure=frame["departure"].dt.strftime(form)).to_csv(data, index=False)
        assert "column 'departure' holds dates or times as texts; make it parts" in refusal(data=data)
    found = by_name(build("--time-parts", "departure=weekday,month,hour", data=data)[0])
    assert list(found)[:4] == ["x", "departure_weekday", "departure_month", "departure_hour"]
    times = frame["departure"] if form != "%m/%d/%y" else frame["departure"].dt.normalize()
    expected = {"weekday": times.dt.day_of_week, "month": times.dt.month, "hour": times.dt.hour}
    for part, values in expected.items():
        assert found[f"departure_{part}"].mean == pytest.approx(values.mean())
    Path("model-config.yaml").write_text(
        "handler: {monitoring: {features: {time_parts: {departure: [weekday, month, hour]}}}}"
    )
    same = build("--config", "model-config.yaml", data=data)[0]
    assert same.features == Baseline.load("built-1.0.json").features
    assert [name for name in by_name(same) if name.startswith("departure")] == list(found)[1:4]


def test_parts_that_are_unknown_or_of_no_column_are_refused():
    write("data.csv", ["x", "when"], [(row, "2026-01-02") for row in range(ROWS)])
    assert "unknown part 'century'; give some of minute, hour" in refusal("--time-parts", "when=century")
    assert "--time-parts: 'whem' is not among the columns taken: x, when" in refusal("--time-parts", "whem")
    assert "column 'x' holds no timestamps to take parts of" in refusal(
        "--time-parts", "x", "--exclude", "when"
    )


NET = """
import torch

class Brightness(torch.nn.Module):
    def forward(self, images):
        level = images.mean((1, 2, 3)) - 0.5
        return torch.stack([-level, level], dim=1) * 9

    def load_state_dict(self, state):
        return None
"""


def picture(path, level, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, level, level)).save(path)


@pytest.mark.parametrize("held", [False, True])
def test_a_folder_of_images_by_class(folder, held):
    for row in range(150):
        # One in ten lies in the wrong folder.
        picture(folder / "train" / ("bright" if row % 10 else "dark") / f"{row}.jpg", 204)
        picture(folder / "train" / "dark" / f"d{row}.JPG", 51)
        picture(folder / "held" / "bright" / f"{row}.png", 204)
        picture(folder / "held" / "dark" / f"d{row}.png", 51)
    (folder / "net.py").write_text(NET)
    torch.save({}, folder / "empty.pt")
    options = ("--image-size", "16x12", "--model", "net.py", "--weights", "empty.pt")
    baseline, said = build(*options, *(("--held-out", "held") if held else ()), data="train")
    assert (
        "300 images; images are scaled and cropped to 16 x 12 pixels, red, green, blue, from 0 to 1" in said
    )
    assert "classes bright, dark" in said
    assert (baseline.input_kind, baseline.samples, baseline.outputs.classes) == (
        "images",
        300,
        ["bright", "dark"],
    )
    brightness = by_name(baseline)["brightness"]
    assert (brightness.min, brightness.max) == pytest.approx((0.2, 0.8), abs=0.01)
    # The model takes bright pictures for dark, as it has the classes the other way round.
    assert baseline.accuracy.ratio == pytest.approx(0.0 if held else 0.05)


def test_images_are_given_as_the_model_takes_them(folder):
    for row in range(20):
        picture(folder / "images" / f"{row}.png", 102, mode="L")
    baseline, said = build("--image-grey", "--image-mean", "0.1", "--image-std", "0.5", data="images")
    assert by_name(baseline)["mean_grey"].mean == pytest.approx((0.4 - 0.1) / 0.5)
    assert "no folder names a class" in said
    picture(folder / "images" / "z.png", 9, size=(9, 9), mode="L")
    assert (
        "has 40 x 30 pixels and 'images/z.png' 9 x 9; say what the model is given, such as --image-size"
        in (refusal("--image-grey", data="images"))
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--image-size", "big"), "--image-size is 'big'; give pixels such as 224"),
        (("--image-mean", "0.5"), "--image-mean has 1 numbers for 3 channels"),
        (("--image-std", "0,1,1"), "--image-std must be above 0"),
        (("--image-std", "a"), "--image-std is 'a'; give a number a channel"),
        (("--time-column", "day"), "--time-column: a folder of images has no columns"),
        (("--exclude", "day"), "a folder of images has no columns"),
    ],
)
def test_options_that_images_do_not_take_are_refused(folder, arguments, complaint):
    picture(folder / "images" / "a.png", 9)
    assert complaint in refusal(*arguments, data="images")


def test_an_image_that_cannot_be_read_is_named(folder):
    (folder / "images").mkdir()
    (folder / "images" / "a.jpg").write_bytes(b"not a picture")
    assert "the image 'images/a.jpg' cannot be read" in refusal(data="images")
    (folder / "images" / "a.jpg").unlink()
    Image.fromarray(np.full((9, 9), 40_000, dtype=np.uint16)).save(folder / "images" / "a.png")
    assert "the image 'images/a.png' has more than 8 bits a channel" in refusal(data="images")


LINEAR = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 2)
"""


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("pickled", "--weights: 'weights.pt' holds a whole model that was pickled, not its state_dict"),
        (
            "script",
            "--weights: 'weights.pt' is a TorchScript file, which is a whole model; give it as --model",
        ),
        ("checkpoint", "is a checkpoint, with the state_dict under 'model_state_dict'; write that alone"),
        ("tensor", "--weights: 'weights.pt' holds a Tensor, not the state_dict of 'net.py'"),
        ("text", "--weights: 'weights.pt' is not a file that torch.save wrote"),
        ("other", "--weights: 'weights.pt' does not fit 'net.py'"),
    ],
)
def test_weights_that_are_none_are_explained(folder, what, complaint):
    write("data.csv", "abc", NUMBERS)
    (folder / "net.py").write_text(LINEAR)
    model = torch.nn.Linear(3, 2)
    if what == "script":
        torch.jit.trace(model, torch.zeros(1, 3)).save("weights.pt")
    elif what == "text":
        (folder / "weights.pt").write_text("weights")
    else:
        checkpoint = {"model_state_dict": model.state_dict(), "epoch": 3}
        others = {"checkpoint": checkpoint, "tensor": torch.zeros(2), "other": {"weights": torch.zeros(2)}}
        torch.save(others.get(what, model), "weights.pt")
    assert complaint in refusal("--model", "net.py", "--weights", "weights.pt")


def test_models_that_are_none_are_explained(folder):
    write("data.csv", "abc", NUMBERS)
    torch.save(torch.nn.Linear(3, 2), "model.pt")
    assert "is not a TorchScript file: it is a whole model that was pickled" in refusal("--model", "model.pt")
    torch.save(torch.nn.Linear(3, 2).state_dict(), "model.pt")
    assert "is not a TorchScript file: it holds a state_dict; give it as --weights" in (
        refusal("--model", "model.pt")
    )
    (folder / "net.py").write_text(LINEAR.replace("self)", "self, width)"))
    assert "the class Net cannot be made without arguments" in (
        refusal("--model", "net.py", "--weights", "model.pt")
    )
    (folder / "net.py").write_text("import nothing_of_that_name\n")
    assert "'net.py' cannot be imported: No module named 'nothing_of_that_name'" in (
        refusal("--model", "net.py", "--weights", "model.pt")
    )


def test_a_file_that_is_counted_elsewhere_is_read_in_the_same_way(folder):
    rows = [(f"{row},5", "NA" if row % 4 else "NO") for row in range(ROWS)]
    write("data.csv", ["price", "country"], rows, separator=";")
    expected = build()[0]
    options = BuildOptions(feature_names=["price", "country"])
    recipe = Recipe(names=["price", "country"], label=None, model=None, weights=None, options=options)
    part = pickle.loads(count_file({"file": "data.csv"}, recipe=recipe, labelled=False)["part"][0])
    assert part.baseline().features == expected.features
    write("data.csv", "ab", [(1, 2), (1, 2, 3)])
    part = pickle.loads(count_file({"file": "data.csv"}, recipe=recipe, labelled=False)["part"][0])
    assert "has no column price, country; it has: a, b" in str(part)
