from urushi.evaluation.confusion import RATIOS
from urushi.evaluation.image_metrics import RANKING
from urushi.reporting.figure_names import named


def test_every_figure_of_images_has_a_name_in_words_and_a_line_on_what_it_says():
    for name in (*RANKING, *RATIOS):
        words = named(f"image {name}")
        assert words.name
        assert "_" not in words.name
        assert words.meaning


def test_an_unknown_figure_keeps_its_name():
    assert named("image novel_figure") == ("image novel_figure", "")
    assert named("AUPIMO") == ("AUPIMO", "")
