"""Generation methods, one file each."""
