"""Customers' buckets, through the S3 API."""
