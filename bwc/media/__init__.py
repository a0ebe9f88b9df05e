"""Reading and writing video and sound. Files from cameras are untrusted input."""
