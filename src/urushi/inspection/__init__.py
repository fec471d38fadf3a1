"""What inspecting one image gives: the decision and everything that explains it."""

from urushi.inspection.results import Decision, Inspection, MapScale, Region, Unreadable, View

__all__ = ["Decision", "Inspection", "MapScale", "Region", "Unreadable", "View"]
