"""How the book is kept: run as `python -m tools.build`, `tools.chapters` and `tools.address`, or through make."""
