"""Looks into finished files: decodes them and says what is to be seen and heard.

The demo and the tests judge by this; no worker uses it.
"""
