"""The documentation of stalefl: pages, decisions, records, and the tools that write the generated pages."""
