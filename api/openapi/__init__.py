"""What the API can do, as an OpenAPI document and as a page for humans."""
