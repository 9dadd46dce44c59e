"""One file per trouble; `analyses.judge` finds them by a scan of this folder."""
