"""What Dunlin does: each service is one capability, speaking to the world through the protocols in `ports`."""
