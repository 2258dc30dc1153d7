"""PTP (IEEE 1588 over UDP), heard as a slave hears it and for measuring only."""
