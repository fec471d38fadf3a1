"""From images of good parts to fitted graphs and the scores of held-out normals. Imported only when fitting."""
