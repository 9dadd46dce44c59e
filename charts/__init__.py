"""DataFrame -> Altair chart, for pages, reports, messages and notebooks."""
