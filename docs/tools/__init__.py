"""The tools behind docs/: they write the generated pages, and keep the records that results.md is made of."""
