"""Where parts and files wait until the bucket has them."""
