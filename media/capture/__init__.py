"""The inside of a recorder: taps, their clocks, and what asks for lost packets again."""
