"""The paths of the API, thin: each asks the part of the station that knows."""
