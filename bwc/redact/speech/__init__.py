"""What is said in a recording: where there are voices, the words, and which of them are personal data."""
