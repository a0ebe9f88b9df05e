"""Detectors: pictures in, boxes out."""
