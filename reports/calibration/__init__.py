"""What the harness reported, held against what is true."""
