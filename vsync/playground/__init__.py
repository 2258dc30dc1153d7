"""The playground: protocols in a simulated world that whoever looks can cut, kill and heal.

Each thing to play with is a *stage* (:mod:`.stage`); the page draws what a stage tells, and sends
what is clicked. Everything is simulated in the process that serves the page: the real cores of this
package and of those below it, no socket but the page's, and no clock but the simulation's.
"""
