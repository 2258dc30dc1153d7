"""A ring member on a machine: the engine, a thread, sockets, a disk and a clock.

:mod:`~vsync.node.loop` runs the engine; what it needs of the machine is in
:mod:`~vsync.node.sockets`, :mod:`~vsync.node.storage` and :mod:`~vsync.node.clock`;
:mod:`~vsync.node.group` is what an application sees. Every decision is the engine's.
"""
