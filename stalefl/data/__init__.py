"""Clients' data: their partition, late clients, drift, traces of arrivals, and the sources of data sets."""
