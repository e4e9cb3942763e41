"""Bad networks for tests: a seeded UDP relay, and a proxy that puts it between room and client."""
