"""The ``clocksync`` command: one module per subcommand, registered in :mod:`clocksync.cli.main`."""
