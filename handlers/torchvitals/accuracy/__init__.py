"""What the model's confidence was worth, and the accuracy to expect."""
