"""Virtual synchrony over a Totem ring. The ground it will stand on is in place; it is not there yet."""
