"""The ``vsync`` command: one module per subcommand, registered in :mod:`vsync.cli.main`."""
