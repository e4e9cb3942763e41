"""`tapefarm up`: Redis, object storage and the supervisor of a farm on one host."""
