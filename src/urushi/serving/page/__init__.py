"""The page of a station: what people see of it in a browser, in the design of the reports.

Templates show what the same objects give that the API gives to programs; scripts ask the API itself.
"""
