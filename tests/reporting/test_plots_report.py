import base64
import re

import numpy as np

from urushi.reporting.plots.operating_curves import roc_figure
from urushi.reporting.plots.style import svg
from urushi.reporting.report import Report


def test_a_plot_is_shown_as_an_image_of_its_own_beside_the_figures(facts, inspect, tmp_path):
    report, document = Report("parts", facts), svg(roc_figure({"a": [(np.arange(4), [0, 1, 0, 1])]}))
    report.add(inspect())
    figures = {"metrics": {}, "per_defect": [], "luminance": {"groups": [], "warnings": []}}
    report.write(tmp_path / "page.html", evaluation=figures, plots={"ROC": document})
    page = (tmp_path / "page.html").read_text("utf-8")
    (uri,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="ROC">', page)
    assert base64.b64decode(uri).decode() == document
    report.write(tmp_path / "page.html", evaluation=figures)  # plots are those of this page only
    assert "svg+xml" not in (tmp_path / "page.html").read_text("utf-8")
