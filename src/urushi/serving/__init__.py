"""The station: what a line talks to, and what keeps the record of its inspections.

`station.py` puts the parts together, `app.py` gives them to HTTP; every other module works without it.
"""
