"""What people look at: heat maps on a fixed scale and the report, one self-contained HTML file."""
