"""From camera, dock or card into custody."""
