"""Le projet final."""

STEPS = ()
