"""SAR scenes and images on their pixels: opened, placed, sampled and read through windows."""
