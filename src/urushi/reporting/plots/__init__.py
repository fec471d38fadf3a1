"""Plots for print: one kind of plot in a file, plain data in, a matplotlib figure out; `plot_style.write` keeps it."""
