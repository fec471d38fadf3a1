"""Runs in the peers' environment: python pyod_worker.py EMBEDDINGS.npz; PyOD's detectors with their own defaults.

EMBEDDINGS holds `training` (n, J) of good images and `test` (m, J); prints JSON: scores of the test rows by detector.
"""

import json
import sys

import numpy as np
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from pyod.models.ocsvm import OCSVM
from sklearn.preprocessing import StandardScaler

DETECTORS = {
    "knn": KNN(),
    "lof": LOF(),
    "ocsvm": OCSVM(),
    "ecod": ECOD(),
    "copod": COPOD(),
    "iforest": IForest(random_state=0),
}

if __name__ == "__main__":
    with np.load(sys.argv[1]) as given:
        scaler = StandardScaler().fit(given["training"])
        training, test = (scaler.transform(given[name]) for name in ("training", "test"))
    found = {name: detector.fit(training).decision_function(test).tolist() for name, detector in DETECTORS.items()}
    print(json.dumps(found))
