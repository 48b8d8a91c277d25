"""What figures show: each kind makes panels from the cells of a frame, for a page or for a file."""
