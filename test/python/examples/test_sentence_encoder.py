"""The demo's parts: the model that is made up, each width, their order, the pictures."""

import dataclasses
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "sentence_encoder"
sys.path.insert(0, str(FOLDER))

import encoder  # noqa: E402
import main  # noqa: E402
import model as model_files  # noqa: E402
import report  # noqa: E402
import widths  # noqa: E402


@pytest.fixture
def small_model():
    """A generated model of one layer."""
    model = model_files.generate("a test asks for it")
    return dataclasses.replace(model, sizes=dataclasses.replace(model.sizes, layers=1))


def float_embeddings(model):
    return encoder.encode(
        model, main.SENTENCES, encoder.float_linear(model), encoder.float_attention
    )


def test_without_the_package_weights_are_made_up_and_said_so(monkeypatch, capsys):
    monkeypatch.setattr(model_files, "PACKAGE", "no_such_package")
    model = model_files.load()
    assert model.is_generated
    report.print_setting(model, tw.device("emulated:a100"), 6, 60, 128)
    printed = capsys.readouterr().out
    assert "the package no-such-package is not installed" in printed
    assert "similarities mean nothing" in printed


def test_sentences_do_not_see_each_other(small_model):
    layers = encoder.float_linear(small_model), encoder.float_attention
    together = encoder.encode(small_model, main.SENTENCES, *layers)
    for i, sentence in enumerate(main.SENTENCES):
        alone = encoder.encode(small_model, [sentence], *layers)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_a_width_is_checked_and_reported(small_model, capsys):
    reference = float_embeddings(small_model)
    result = main.run_width(small_model, "u8", reference, tw.device())
    assert result.cosines.min() > 0.999
    assert result.agreement > main.MIN_COSINE_TO_SAME_WEIGHTS
    assert 0 < result.worst <= 1
    launched = [launch.kernel for launch in result.profile.launches]
    assert (len(launched), launched.count("attention")) == (7, 1)
    report.print_table([result], model_files.linear_layers(small_model.sizes))
    report.print_counters([result])
    printed = capsys.readouterr().out
    assert "u8: 7 launches within the error bound" in printed
    assert f"{result.profile.total('matrixOperations'):,}" in printed


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("linear", r"attention\.self\.query has error"),
        ("attention_varlen", r"attention\.self has error"),
    ],
)
def test_a_wrong_kernel_stops_the_demo(small_model, monkeypatch, kernel, message):
    right = getattr(tw, kernel)
    monkeypatch.setattr(tw, kernel, lambda *args, **kwargs: right(*args, **kwargs) + np.float16(1))
    reference = float_embeddings(small_model)
    with pytest.raises(AssertionError, match=message):
        main.run_width(small_model, "u4", reference, tw.device())


def test_every_width_is_nearer_than_the_narrower_ones(small_model, monkeypatch, capsys, tmp_path):
    """The whole command, on one layer: each kernel within its bound, each step beyond its noise."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(model_files, "load", lambda: small_model)
    monkeypatch.setattr(main, "SENTENCES", main.SENTENCES[:4])
    monkeypatch.setattr(sys, "argv", ["main.py", "--device=emulated:a100", f"--out={tmp_path}"])
    seen = []
    monkeypatch.setattr(main, "check_order", lambda r: seen.extend(r) or widths.check_order(r))
    assert main.main() == 0
    printed = capsys.readouterr().out
    assert [r.format for r in seen] == main.FORMATS.split(",")
    assert "nearer: f4e2m1 < f6e3m2 < e4m3, u2 < u3 < u4 < u5 < u6 < u7 < u8\n" in printed
    for result in seen:
        assert 0 < result.worst <= 1
        assert f"{result.cosines.mean():.5f}" in printed
    steps = widths.steps(seen)
    assert len(steps) == 8
    for step in steps:
        assert step.gain > 3 * step.noise > 0, step
    drawing = (tmp_path / "widths.svg").read_text()
    assert all(f">{result.format}<" in drawing for result in seen)
    assert (tmp_path / "widths.png").stat().st_size > 10_000


class TestWidths:
    """What a step is, on cosines made up."""

    def result(self, format, cosines):
        return widths.WidthResult(format, None, np.array(cosines), 1.0, 0.5, 1, None)

    def test_noise_is_the_spread_of_the_means_of_halves(self):
        values = np.random.default_rng(1).standard_normal(8)
        means = [np.mean(half) for half in itertools.combinations(values, 4)]
        np.testing.assert_allclose(widths.standard_error(values), np.std(means), rtol=1e-12)
        assert widths.standard_error(values[:1]) == 0

    def test_a_wider_one_may_be_worse_by_twice_the_noise_only(self):
        """Differences of -1 and -3 hundredths: mean -2, noise 1."""
        narrow = self.result("u3", [0.9, 0.9])
        (step,) = widths.check_order([self.result("u4", [0.89, 0.87]), narrow])
        assert (step.narrow, step.wide) == ("u3", "u4")
        np.testing.assert_allclose([step.gain, step.noise], [-0.02, 0.01])
        worse = self.result("u4", [0.8899, 0.8699])
        with pytest.raises(
            AssertionError, match=r"u4 is 0.02 farther .* than u3, .* noise of 0.01"
        ):
            widths.check_order([narrow, worse])

    def test_a_step_is_judged_by_sentence(self):
        """Both means are noisy, yet every sentence gains the same."""
        cosines = np.array([0.2, 0.9, 0.5])
        (step,) = widths.steps([self.result("u2", cosines), self.result("u5", cosines + 0.01)])
        assert step.clearness > 1e6

    @pytest.mark.parametrize(
        ("formats", "expected"),
        [
            (["u8", "i3", "u2"], [("u2", "i3"), ("i3", "u8")]),
            (["u4", "i4"], []),
            (["u3", "f4e2m1"], []),
            (["f5e3m1", "f6e3m2"], [("f5e3m1", "f6e3m2")]),
            (["f6e3m2", "f7e5m1"], []),  # more range, less mantissa
            (["f6e4m1", "f7e3m3"], []),  # less range
        ],
    )
    def test_only_what_should_be_finer_is_compared(self, formats, expected):
        steps = widths.steps([self.result(format, [0.5, 0.6]) for format in formats])
        assert [(step.narrow, step.wide) for step in steps] == expected


def test_sentences_that_belong_together_are_printed_side_by_side(capsys):
    """Embeddings in the plane at 0, 60, 100 and 180 degrees; the other turns the third away."""
    reference, turned = (
        np.stack([np.cos(angles), np.sin(angles)], axis=1)
        for angles in np.radians([[0, 60, 100, 180], [0, 60, 140, 180]])
    )
    result = widths.WidthResult("u4", turned, np.ones(4), 1.0, 0.5, 1, None)
    report.print_similarities(["a", "b", "c", "d"], reference, [result])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["float32", "0.500", "0.174", "4", "of", "4", "100.0%"] in rows
    # Nearest: 2, 3, 2, 3 before; 2, 1, 4, 3 after.
    (row,) = [row for row in rows if row and row[0] == "u4"]
    assert row[1:6] == ["0.500", "0.766", "2", "of", "4"]
    # Pairs by angle: 23 12 34 13 24 14 before, 34 12 23 24 13 14 after: 4 of 15 swapped.
    assert row[6] == "73.3%"


@pytest.mark.parametrize("format", ["u1", "u3", "u4", "u8"])
def test_the_picture_shows_the_documented_fragment(format):
    """lane = 4g + t holds k = 16kb + 8kh + 2t + kp, n = 8nb + g (Packing.h)."""
    pytest.importorskip("matplotlib")
    import picture

    weight, code_bit = picture.trace_bits(format)
    words = int(format[1]) * 4 * 32
    assert weight.shape == (words, 32)
    # Every bit of every code, once.
    assert len(set(zip(weight.ravel().tolist(), code_bit.ravel().tolist(), strict=True))) == (
        words * 32
    )
    n, k = np.divmod(weight, picture.BLOCK_K)
    lane = 4 * (n % 8) + k % 8 // 2
    expected = np.arange(words) % 128 // 4
    np.testing.assert_array_equal(lane, np.broadcast_to(expected[:, None], lane.shape))
    # The low half holds even k, the high half odd k.
    np.testing.assert_array_equal(k % 2, np.broadcast_to(np.arange(32) >= 16, k.shape))


def test_the_picture_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    import picture

    files = picture.draw_fragment("u4", tmp_path / "fragment")
    assert [file.suffix for file in files] == [".svg", ".png"]
    assert all(file.stat().st_size > 10_000 for file in files)
