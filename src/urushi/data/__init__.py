"""From folders to pixels: layouts, decoding, splits and what is wrong with a data set; imports no torch."""
