"""Publishers: one metrics system a file."""
