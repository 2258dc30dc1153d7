"""The ring as a stage: five real members in a simulated world, and histories that lie.

:mod:`.world` is the world and what happens in it, as plain facts; :mod:`.waiting` says of each
message and member what holds it up; :mod:`.words` says it for people; :mod:`.stage` is the stage,
:mod:`.scenes` its guided walks, and :mod:`.lies` what cannot happen.
"""
