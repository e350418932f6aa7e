"""What is done to whole accounts."""
