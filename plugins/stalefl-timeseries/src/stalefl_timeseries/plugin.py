"""The names that the package offers."""

from __future__ import annotations

from stalefl.contracts import Entry
from stalefl.hookspecs import hookimpl


@hookimpl
def stalefl_datasets() -> list[Entry]:
    home = "stalefl_timeseries.datasets"
    return [
        Entry("waves", f"{home}.waves:Waves"),
        Entry("pendigits", f"{home}.pendigits:PenDigits"),
        Entry("csv-series", f"{home}.csv_series:CsvSeries"),
        Entry("har-windows", f"{home}.har:HarWindows"),
    ]


@hookimpl
def stalefl_models() -> list[Entry]:
    home = "stalefl_timeseries.models"
    return [Entry("cnn1d", f"{home}.cnn1d:Cnn1d"), Entry("gru", f"{home}.gru:Gru")]
