"""What is done with a fitted detector beside inspecting: speed, new images, and one image as a function."""
