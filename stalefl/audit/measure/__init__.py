"""The figures of an audit: what attacks recovered, measured against the truth."""
