"""How good pictures are: scores on arrays, their intervals, seams and uncertainty."""
