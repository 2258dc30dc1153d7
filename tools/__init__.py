"""Programs around the packages, run from a checkout: demos, campaigns, generators of docs."""
