"""What the figures of an evaluation are called, and what each of them says, in words."""

from typing import NamedTuple


class Named(NamedTuple):
    """A figure's name in words, and one line on what it says; that may be empty."""

    name: str
    meaning: str


_IMAGE = {
    "roc_auc": ("ROC-AUC", "chance that a defective image scores above a good one; 0.5 is guessing"),
    "average_precision": ("Average precision", "precision averaged over recall, over all thresholds"),
    "partial_roc_auc_0.1": ("Partial ROC-AUC", "ROC-AUC with at most 10 % false alarms; 0.5 is guessing"),
    "f1_max": ("Best F1", "F1 at the threshold that is best for these very images, so an upper bound"),
    "tpr_at_fpr_0.01": ("Defects found at 1 % false alarms", "by a threshold set on these very images"),
    "tpr_at_fpr_0.05": ("Defects found at 5 % false alarms", "by a threshold set on these very images"),
    "tnr_at_fnr_0.01": ("Good passed at 1 % missed", "by a threshold set on these very images"),
    "tnr_at_fnr_0.05": ("Good passed at 5 % missed", "by a threshold set on these very images"),
    "accuracy": ("Accuracy", "share of images decided rightly at the detector's threshold"),
    "error_rate": ("Error rate", "share of images decided wrongly"),
    "precision": ("Precision", "share of alarms that are defects"),
    "recall": ("Recall", "share of defects found"),
    "specificity": ("Specificity", "share of good images passed"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "macro_f1": ("Macro F1", "mean of the F1 of defective and of good images"),
    "g_mean": ("G-mean", "geometric mean of recall and specificity"),
    "mcc": ("Matthews' correlation", "of labels and decisions, from -1 to 1; 0 is guessing"),
    "macro_precision": ("Macro precision", "mean share of right decisions among alarms and among passed images"),
    "macro_recall": ("Balanced accuracy", "mean of recall and specificity"),
}
_PIXEL = {
    "roc_auc": ("Pixel ROC-AUC", "chance that a defective pixel lies above a good one in the map; 0.5 is guessing"),
    "pr_auc": ("Pixel average precision", "precision of pixels averaged over recall"),
    "f1_max": ("Best pixel F1", "F1 of pixels at the best threshold for these very images"),
    "best_iou": ("Best pixel IoU", "overlap of marked and true pixels at the best threshold for these very images"),
    "iou_auc": ("IoU over thresholds", "overlap of marked and true pixels, averaged over all thresholds"),
    "aupro_0.3": ("AUPRO to 30 %", "mean share found of each defect, averaged up to 30 % falsely marked pixels"),
    "aupro_0.05": ("AUPRO to 5 %", "mean share found of each defect, averaged up to 5 % falsely marked pixels"),
    "auspro_0.3": ("AU-sPRO to 30 %", "as AUPRO, where a defect counts as found once its saturation area is"),
    "auspro_0.05": ("AU-sPRO to 5 %", "as AUPRO, where a defect counts as found once its saturation area is"),
    "seg_f1": ("Pixel F1", "harmonic mean of precision and recall of pixels at the limit of regions"),
    "iou": ("Pixel IoU", "overlap of marked and true pixels at the limit of regions"),
    "pro": ("PRO", "mean share found of each defect at the limit of regions"),
    "aupimo": ("AUPIMO", "mean share found of each image's defects while good images stay almost unmarked"),
}
_PLANT = {
    "false_alarms_per_1000": ("False alarms in the plant", "good parts called anomalous, of 1,000 parts"),
    "escapes_per_1000": ("Escapes in the plant", "defective parts that pass, of 1,000 parts"),
    "expected_precision": ("Precision in the plant", "share of alarms that are defects, at the plant's prevalence"),
    "false_alarm_cost_per_1000": ("Cost of false alarms in the plant", "of 1,000 parts"),
    "cost_per_1000": ("Cost in the plant", "of escapes and false alarms, of 1,000 parts, at the detector's threshold"),
    "least_cost_threshold": ("Threshold of least cost", "on these very images; the interval holds all that do as well"),
    "least_cost_per_1000": (
        "Cost at that threshold",
        "of 1,000 parts, on these very images; new ones cost a little more",
    ),
}
_NAMED = {"image": _IMAGE, "pixel": _PIXEL, "plant": _PLANT}


def named(figure: str) -> Named:
    """The words for a figure 'image NAME', 'pixel NAME' or 'plant NAME'; an unknown one keeps its name."""
    kind, _, name = figure.partition(" ")
    return Named(*_NAMED.get(kind, {}).get(name, (figure, "")))
