"""Pictures, drawn with matplotlib into PNG, PDF or SVG files."""
