"""The clients' data: partitions, late clients, data that drift, and where samples come from."""
