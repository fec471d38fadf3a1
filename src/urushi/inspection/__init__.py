"""What inspecting one image gives: the decision and everything that explains it."""

from urushi.inspection.cautions import Cautions
from urushi.inspection.results import Beside, Caution, Decision, Inspection, MapScale, Region, Unreadable, View

__all__ = ["Beside", "Caution", "Cautions", "Decision", "Inspection", "MapScale", "Region", "Unreadable", "View"]
