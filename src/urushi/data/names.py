"""What the name of a folder says about the images in it: good, defects, masks, or a split; in any case and spelling."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from urushi.data.samples import Split

Kind = Literal["good", "defect", "mask"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GOOD = _words(
    "good ok okay io normal normals nominal pass passed passing fine conform conforming accept accepted acceptable "
    "healthy intact approved flawless faultless golden conforme conformes bon bons bonne bonnes gut gute "
    "gutteil gutteile konform iordnung inordnung fehlerfrei fehlerlos "
    "良品 良 正常 正常品 合格 合格品"
)
_DEFECT = _words(
    "ng nok nio ko bad def defect defects defective defectives defected abnormal abnormals anomaly anomalies "
    "anomalous fail fails failed failure failures fault faults faulty flaw flaws flawed reject rejects rejected scrap "
    "damage damaged disapproved outlier outliers schlecht schlechtteil schlechtteile fehler fehlerhaft defekt defekte "
    "mangel mängel mangelhaft beschädigt ausschuss "
    "不良 不良品 異常 異常品 异常 欠陥 缺陷 不合格"
)
_MASK = _words(
    "mask masks maske masken groundtruth groundtruths gt gts label labels annotation annotations annot segmentation "
    "segmentations seg segs segmask segmasks"
)
_TRAIN = _words("train training trainset")
_VALIDATION = _words("validation validate val valid")
_TEST = _words("test testing tests testset")
_NOT = _words("not no non un without kein keine keinen ohne nicht")
_FREE = _words("free frei freeof freefrom")
# Words that change nothing: OK_parts, good images, normal lot 2, ok_front.
_FILLERS = _words(
    "part parts piece pieces image images img imgs picture pictures photo photos sample samples data dataset set only "
    "class type lot batch day with mit teil teile bild bilder front back top bottom left right"
)
_AMBIGUOUS_MASK = _words("label labels")  # printed labels are parts, too
_MOST_TOKENS = 4  # "not i. O.", "free from defects"


def _meanings() -> dict[str, str]:
    found = dict.fromkeys(_FILLERS, "")
    found |= {negation + word: "defect" for negation in _NOT for word in _GOOD}
    found |= {negation + word: "good" for negation in _NOT for word in _DEFECT}
    found |= {word + free: "good" for free in _FREE for word in _DEFECT}
    found |= {free + word: "good" for free in _FREE for word in _DEFECT}
    kinds = {"good": _GOOD, "defect": _DEFECT, "mask": _MASK}
    splits = {"train": _TRAIN, "validation": _VALIDATION, "test": _TEST}
    return found | {word: meaning for meaning, words in (kinds | splits).items() for word in words}


_MEANINGS = _meanings()


@dataclass(frozen=True)
class Meaning:
    """What a name says; a name of which any word is unknown says nothing."""

    kind: Kind | None = None
    split: Split | None = None


class Names:
    """Reads names of folders; some count as good whatever they are called."""

    def __init__(self, good_folders: Iterable[str] = ()) -> None:
        self._good = frozenset(map(plain, good_folders))

    def of(self, name: str) -> Meaning:
        """What a folder's name says."""
        if plain(name) in self._good:
            return Meaning("good", meaning(name).split)
        return meaning(name)


def plain(name: str) -> str:
    """A name as it is compared: full-width letters, capitals and blanks around it make no difference."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def meaning(name: str) -> Meaning:
    """What a name says: `test_OK` is good and a test, `n.i.O.` a defect, `abnormal` never normal."""
    said = _said(_tokens(name))
    if {"good", "defect"} <= said and "mask" not in said:
        return Meaning()  # good and bad: of both
    kinds: list[Kind] = [kind for kind in ("mask", "good", "defect") if kind in said]
    splits: list[Split] = [split for split in ("train", "validation", "test") if split in said]
    return Meaning(kinds[0] if kinds else None, splits[0] if len(splits) == 1 else None)


def is_surely_of_masks(name: str) -> bool:
    """Whether a name says masks and nothing that a part could be, as `labels` does."""
    return meaning(name).kind == "mask" and not _AMBIGUOUS_MASK & set(_tokens(name))


def _tokens(name: str) -> list[str]:
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-zäöü])(?=[A-ZÄÖÜ])", " ", text)  # NotOK, GroundTruth
    return re.findall(r"[^\W\d_]+", text.casefold()) if re.search(r"[^\W\d_]", text) else []


def _said(tokens: list[str]) -> set[str]:
    """The meanings of all tokens, the longest runs of them first; empty if one is unknown."""
    said, start = set(), 0
    while start < len(tokens):
        ends = range(min(len(tokens), start + _MOST_TOKENS), start, -1)
        end = next((end for end in ends if "".join(tokens[start:end]) in _MEANINGS), None)
        if end is None:
            return set()
        said.add(_MEANINGS["".join(tokens[start:end])])
        start = end
    return said
