"""A believable advertising market and the platform API in front of it: the demo's source and the tests' counterpart.

The market is a function of (settings, injected changes, instant); the HTTP side only reads it.
"""
