"""How good a recording is: measured on the tape slice by slice, told in one report."""
