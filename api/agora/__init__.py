"""The Agora Cloud Recording dialect (reference/agora-cloud-recording.md)."""
