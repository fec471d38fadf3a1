"""Scores, one file each: from a reconstruction to an anomaly map and one number. Part of the exported graph."""

from urushi.scoring._graph import ScoringGraph, build_graph, build_score, restore_graph

__all__ = ["ScoringGraph", "build_graph", "build_score", "restore_graph"]
