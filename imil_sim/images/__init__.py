"""Image sets: read from disk or drawn, decoded once and cached; their masks, their splits, and what to know of them."""
