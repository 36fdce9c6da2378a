"""What stands in for the world in tests: servers that speak the stores' protocols, and what goes wrong between."""
