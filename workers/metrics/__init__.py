"""Prometheus instruments of every process."""
