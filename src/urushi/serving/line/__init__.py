"""What connects a station with its line: webhooks, watched folders, cameras, MQTT and OPC UA.

`settings.py` reads what a file asks for, `line.py` begins and ends it; every other module is one connection, and knows
of the station what others may know as well.
"""
