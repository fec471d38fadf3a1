from urushi.reporting.card_words import in_words


def test_a_card_is_said_in_words_and_nothing_of_it_is_lost():
    card = {
        "levels": {"bits": None},
        "exports": [{"runtime": "onnx", "precision": "int8", "milliseconds": 3.0}],
        "data": {"folder": "parts/good", "layout": "flat", "fingerprint": "1bcf"},
        "seed": 3,
        "trial": {"chosen": "a"},
        "own": ["anything"],
        "rounds": [{"date": "2026-11-30T08:00:00+00:00", "what": "added", "n_images": 3, "above": []}, 7],
    }
    assert in_words(card) == {
        "bits a channel": "as the images say",
        "exported to": "onnx (int8)",
        "good images from": "parts/good",
        "layout of their folder": "flat",
        "fingerprint of these data": "1bcf",
        "seed of the fit": 3,
        "recipes tried: chosen": "a",
        "learning went on": "2026-11-30: 3 images added; 7",
        "own": "anything",
    }


def test_warnings_of_the_fit_stand_by_themselves():
    fit = {"seconds": 3.0, "concerns": ["images of one level: 2", "rebuilt badly"]}
    expected = {"warnings of the fit": "images of one level: 2; rebuilt badly", "seconds of the fit": 3.0}
    assert in_words({"fit": fit}) == expected
    assert in_words({"fit": {"concerns": []}}) == {}


def test_each_value_has_a_row_however_deep_it_lies_and_long_lists_say_how_long():
    fit = {"n_training": 80, "backbone": {"weights": {"a-1.pth": "57"}}, "copies": [], "losses": [*range(20)]}
    trial = [{"name": "a", "roc_auc": 0.98765}, {"name": "b", "failed": {"why": "c"}}]
    assert in_words({"fit": fit, "digests": {"graph.onnx": "cc"}, "trial": trial, "what_else": {}}) == {
        "images learnt from": 80,
        "fit: backbone: weights: a-1.pth": "57",
        "copies left out": "none",
        "fit: losses": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, and 8 more",
        "digest of graph.onnx": "cc",
        "recipes tried": "name a, roc auc 0.9877, name b, failed: why c",
        "what else": "none",
    }


def test_stated_bits_are_said_and_what_has_another_form_keeps_its_name():
    assert in_words({"levels": {"bits": 12}}) == {"bits a channel": 12}
    assert in_words({"levels": 8, "data": None, "exports": "x"}) == {"levels": 8, "data": None, "exports": "x"}
