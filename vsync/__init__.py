"""Virtual synchrony over a Totem ring: the ground it will stand on is in place, the ring is not."""
