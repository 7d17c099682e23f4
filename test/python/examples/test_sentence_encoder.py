"""The demo's parts: the model that is made up, one width, the picture's map."""

import dataclasses
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


@pytest.fixture
def small_model():
    """A generated model of one layer."""
    model = model_files.generate("a test asks for it")
    return dataclasses.replace(model, sizes=dataclasses.replace(model.sizes, layers=1))


def test_without_the_package_weights_are_made_up_and_said_so(monkeypatch, capsys):
    monkeypatch.setattr(model_files, "PACKAGE", "no_such_package")
    model = model_files.load()
    assert model.is_generated
    report.print_setting(model, tw.device("emulated:a100"), 6, 60, 128)
    printed = capsys.readouterr().out
    assert "the package no-such-package is not installed" in printed
    assert "similarities mean nothing" in printed


def test_sentences_do_not_see_each_other(small_model):
    linear = encoder.float_linear(small_model)
    together = encoder.encode(small_model, main.SENTENCES, linear)
    for i, sentence in enumerate(main.SENTENCES):
        alone = encoder.encode(small_model, [sentence], linear)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_a_width_is_checked_and_reported(small_model, capsys):
    reference = encoder.encode(small_model, main.SENTENCES, encoder.float_linear(small_model))
    result = main.run_width(small_model, "u8", reference, tw.device())
    assert result.cosines.min() > 0.999
    assert result.agreement > main.MIN_COSINE_TO_SAME_WEIGHTS
    assert 0 < result.worst <= 1
    assert len(result.profile.launches) == 6
    report.print_table([result], model_files.linear_layers(small_model.sizes))
    report.print_similarities(main.SENTENCES, reference, [result])
    printed = capsys.readouterr().out
    assert "u8: 6 layers within the error bound" in printed
    assert "ranking of all pairs" in printed


def test_a_wrong_kernel_stops_the_demo(small_model, monkeypatch):
    right = tw.linear
    monkeypatch.setattr(
        tw, "linear", lambda *args, **kwargs: right(*args, **kwargs) + np.float16(1)
    )
    reference = encoder.encode(small_model, main.SENTENCES, encoder.float_linear(small_model))
    with pytest.raises(AssertionError, match=r"attention\.self\.query has error"):
        main.run_width(small_model, "u4", reference, tw.device())


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
