"""Cuts: media files made from a range of a tape.  Pure functions of the tape."""
